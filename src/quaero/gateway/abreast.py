"""Viewers who walk abreast: they have the same of a view and wait for more, so one walks and the bytes go to all.

    a stream has everything ──> falls in with those who have just as much ──> one place, one walk for them all
    its connection is full, it ends, its view began anew ──> steps out with a place of its own, and walks alone

What comes next follows from a place alone. So for a thousand viewers it is found once, and what is left for each of
them is a write. Nobody waits for the slowest: who takes less than is written steps out at once.
"""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from quaero.gateway.channel import Channel
from quaero.gateway.parts import Part
from quaero.gateway.turns import Turns

if TYPE_CHECKING:
    from quaero.gateway.following import Following


class Abreast:
    """Those of one view who have the same. `first` walks for them; it is no viewer's own."""

    def __init__(self) -> None:
        self._walkers: dict[Following, Channel] = {}
        self._first: Following | None = None
        self._departures = 0
        self._walking = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._walkers)

    def __iter__(self) -> "Iterator[Following]":
        return iter(list(self._walkers))

    def fall_in(self, following: "Following", channel: Channel) -> bool:
        """Take somebody in who has all there is, unless it has other than those who are here; whether it is taken."""
        if following.must_walk_alone:
            return False
        if self._first is None:
            self._first = following.twin()
        place = self._first.place
        if not place.is_level_with(following.place):
            return False
        place.told_at = min(place.told_at, following.place.told_at)
        following.place = place
        self._walkers[following] = channel
        return True

    def step_out(self, following: "Following") -> bool:
        """Let somebody go on with a place of its own; whether it was here."""
        if self._walkers.pop(following, None) is None:
            return False
        following.place = following.place.copy()
        self._departures += 1
        if not self._walkers:
            self._first = None
        return True

    def is_quiet(self, now: float) -> bool:
        """Whether those who are here were told nothing for long."""
        return self._first is not None and self._first.is_quiet(now)

    async def walk_on(self, turns: Turns) -> None:
        """Tell all who are here what there is. At an end, or at what is kept no more, everybody goes on alone."""
        async with self._walking:  # two walks at a time would tell some of a part before the one before it
            while (first := self._first) is not None and not first.must_walk_alone:
                told = first.next_part()
                if told is None:
                    return
                await self._tell(told, turns)
            async for some in turns.over(list(self)):
                for following in some:
                    following.step_out()
                    following.wake()

    async def _tell(self, told: Part, turns: Turns) -> None:
        """Write a part to all who are here. Whoever falls in meanwhile has it already."""
        chunk, here, departures = told.chunk, self._walkers, self._departures
        async for turn in turns.over(list(here.items())):
            some = turn
            if self._departures != departures:
                some = [walker for walker in turn if walker[0] in here]
            for following, channel in some:
                channel.write(chunk)
                if channel.is_full:
                    following.step_out()
                    following.wake()
