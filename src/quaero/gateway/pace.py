"""How often trees are flushed, by what flushing costs: together no more than a share of this process's time.

    interval = clamp(batch interval, cost x busy trees / share, 1 s)

Flushes of many trees are under way at the same time, and each waits while others work: what the thread spent meanwhile
is shared among them, so that all together they cost what they took. Where even the slowest pace costs more than there
is, the process is overloaded, and viewers are sent to others.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from quaero.clock import Clock

SHARE = 0.6  # of one core
SLOWEST = 1.0  # seconds
BUSY_SECONDS = 2.0  # a tree flushed in the last seconds is busy
OVERLOADED_SECONDS = 5.0


class Pace:
    """The intervals of all tails of a process."""

    def __init__(self, clock: Clock, least: float, spent: Callable[[], float] = time.thread_time) -> None:
        self.least = least
        self.interval = least  # seconds, as it was found last
        self._clock = clock
        self._spent = spent  # seconds of this thread, from any start
        self._seen = self._each = 0.0
        self._flushing = 0
        self._busy: dict[int, tuple[float, float]] = {}
        self._over_since: float | None = None

    @contextmanager
    def flush(self, root_id: int) -> Iterator[None]:
        """A flush of a tree; `interval` is to pass from its beginning to that of the next one."""
        self._share_out()
        self._flushing += 1
        began = self._each
        try:
            yield
        finally:
            self._share_out()
            self._flushing -= 1
            self._took(root_id, self._each - began)

    def _took(self, root_id: int, cost: float) -> None:
        now = self._clock.monotonic()
        self._busy[root_id] = now, cost
        self._busy = {root: seen for root, seen in self._busy.items() if now - seen[0] < BUSY_SECONDS}
        wanted = cost * len(self._busy) / SHARE
        if sum(cost for _, cost in self._busy.values()) < SLOWEST:
            self._over_since = None
        elif self._over_since is None:
            self._over_since = now
        self.interval = min(max(self.least, wanted), SLOWEST)

    def _share_out(self) -> None:
        """Divide what was spent since it was looked at last among the flushes under way."""
        spent = self._spent()
        if self._flushing:
            self._each += (spent - self._seen) / self._flushing
        self._seen = spent

    @property
    def is_overloaded(self) -> bool:
        """Whether flushing everything at the slowest pace has been too much for a while, and still is."""
        now = self._clock.monotonic()
        if self._over_since is None or now - self._over_since <= OVERLOADED_SECONDS:
            return False
        return any(now - seen < BUSY_SECONDS for seen, _ in self._busy.values())
