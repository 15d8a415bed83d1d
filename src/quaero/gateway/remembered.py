"""Answers remembered for a moment: whoever asks the same within it, or while it is being found, shares the finding."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from quaero.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
MOST = 10_000


class Remembered(Generic[K, V]):
    """What was found for each key in the last `seconds`. Failures are not remembered."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._found: dict[K, tuple[float, asyncio.Task[V]]] = {}

    async def get(self, key: K, find: Callable[[], Awaitable[V]]) -> V:
        """The remembered answer, or what `find` finds."""
        now = self._clock.monotonic()
        known = self._found.get(key)
        if known is None or now - known[0] >= self._seconds or (known[1].done() and known[1].exception()):
            self._found.pop(key, None)
            self._let_go(now)
            known = self._found[key] = now, asyncio.ensure_future(find())
        return await asyncio.shield(known[1])

    def _let_go(self, now: float) -> None:
        """Drop what nobody will be given any more, oldest first."""
        while self._found:
            key = next(iter(self._found))
            if now - self._found[key][0] < self._seconds and len(self._found) < MOST:
                return
            del self._found[key]
