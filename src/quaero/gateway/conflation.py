"""How often a viewer is told of one thing: the first change at once, then once in an interval, the last one always.

    change ──> not told within the interval ──> due now
           ──> told a moment ago ─────────────> due when the interval ends, however many changes come until then
           ──> urgent (a terminal status) ────> due now, whatever was told before

It holds keys, never values: what is sent is read when it is sent, so it is always the newest. Memory is one entry for
each key that waits or was sent within its interval. Pure: time (seconds, from any start) is handed in.
"""

from collections.abc import Hashable
from heapq import heappop, heappush
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Conflation(Generic[K]):
    """The keys of one viewer that have changed and were not told yet, and when each may be."""

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._interval: dict[K, float] = {}
        self._quiet_until: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, key: K) -> bool:
        return key in self._due

    def changed(self, key: K, now: float, interval: float, *, urgent: bool = False) -> None:
        """Take note that `key` changed; at most one telling per `interval` seconds unless it is urgent."""
        due = now if urgent else max(now, self._quiet_until.get(key, now))
        waiting = self._due.get(key)
        if waiting is not None and waiting <= due:
            return
        self._arrivals += 1
        self._due[key] = due
        self._interval[key] = interval
        heappush(self._heap, (due, self._arrivals, key))

    def take(self, now: float) -> list[K]:
        """The keys that may be told now, longest due first; they count as told."""
        taken = []
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heappop(self._heap)
            if self._due.get(key) != due:
                continue  # it was taken earlier, as urgent, or forgotten
            del self._due[key]
            self._quiet_until.pop(key, None)
            self._quiet_until[key] = now + self._interval.pop(key)
            taken.append(key)
        self._let_go(now)
        return taken

    def next_due(self) -> float | None:
        """When the next key may be told; None while nothing waits."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def forget(self, key: K) -> None:
        """Nobody wants to know about `key` any more."""
        self._due.pop(key, None)
        self._interval.pop(key, None)
        self._quiet_until.pop(key, None)

    def _let_go(self, now: float) -> None:
        """Drop what was told long enough ago, oldest first."""
        while self._quiet_until:
            key = next(iter(self._quiet_until))
            if self._quiet_until[key] > now:
                return
            del self._quiet_until[key]
