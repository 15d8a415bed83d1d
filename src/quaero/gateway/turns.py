"""How many viewers are told in one turn of the event loop, so that no turn holds it for long.

What is written in a turn leaves when the turn ends: the loop collects it. A clock asked on the way sees nothing of
that, so how many come next follows from how long the last turn took as a whole.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

TURN_SECONDS = 0.005  # a fan-out holds the event loop about so long at most
FEWEST, MOST = 16, 1_024  # viewers told in a turn

T = TypeVar("T")


class Turns:
    """The turns of one fan-out after the other."""

    def __init__(self, timer: Callable[[], float] = time.perf_counter) -> None:
        self.size = 8 * FEWEST
        self._left = self.size
        self._timer = timer
        self._began = 0.0

    def begin(self) -> None:
        """A fan-out begins."""
        self._left = self.size
        self._began = self._timer()

    async def over(self, viewers: Sequence[T]) -> AsyncIterator[Sequence[T]]:
        """All of them, some in each turn."""
        at = 0
        while at < len(viewers):
            some = viewers[at : at + self._left]
            yield some
            at += len(some)
            self._left -= len(some)
            if not self._left:
                await self._end()

    async def _end(self) -> None:
        """Let everybody else have a turn, and see how long this one was."""
        await asyncio.sleep(0)
        took = self._timer() - self._began
        if took > TURN_SECONDS:
            self.size = max(self.size // 2, FEWEST)
        elif took < TURN_SECONDS / 2:
            self.size = min(self.size * 2, MOST)
        self.begin()
