"""Answers that are dear to make, given out again while they are good enough: however many ask at once, one is made.

An answer is given out again for a few times as long as its making took, so that making it never takes more than a
fraction of the time; and longer where its owner can tell that it still holds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
KEPT = 16
WORTH = 4.0  # times as long as it took to make


@dataclass(slots=True)
class _Kept(Generic[T]):
    making: "asyncio.Task[T]"
    made_at: float = 0.0
    took: float = 0.0


@dataclass(slots=True)
class Lately(Generic[T]):
    """The answers of one sort that were asked for lately."""

    _kept: dict[Hashable, _Kept[T]] = field(default_factory=dict)

    async def get(
        self, key: Hashable, make: Callable[[], Awaitable[T]], holds: Callable[[T], Awaitable[bool]] | None = None
    ) -> T:
        """The answer for a key: one that is being made, one that is young or still `holds`, or a new one."""
        kept = self._kept.get(key)
        if kept is None or (kept.making.done() and not await self._good(kept, holds)):
            kept = self._kept[key] = _Kept(asyncio.ensure_future(self._make(key, make)))
            while len(self._kept) > KEPT:
                self._kept.pop(next(iter(self._kept)))
        return await asyncio.shield(kept.making)

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        began = time.monotonic()
        try:
            made = await make()
        except BaseException:
            self._kept.pop(key, None)
            raise
        kept = self._kept.get(key)
        if kept is not None:
            kept.made_at = time.monotonic()
            kept.took = kept.made_at - began
        return made

    @staticmethod
    async def _good(kept: _Kept[T], holds: Callable[[T], Awaitable[bool]] | None) -> bool:
        if time.monotonic() - kept.made_at < kept.took * WORTH:
            return True
        return holds is not None and await holds(kept.making.result())
