"""One filter class of one watched tree: its newest entries encoded once, its status, and who waits for more.

Viewers of equal scopes share a view. It keeps a bounded number of cuts without a hole from `start` to `head`, the
tail's head; whoever is behind `start` reads the store, together with others who are there.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from quaero.domain.wire import rfc3339
from quaero.gateway.abreast import Abreast
from quaero.gateway.answers import encode
from quaero.gateway.channel import Channel
from quaero.gateway.kin import Kin
from quaero.gateway.parts import Cut, Part, cuts, part
from quaero.gateway.scope import Scope
from quaero.gateway.selection import Selection
from quaero.gateway.told import Ping, told_status
from quaero.gateway.turns import Turns
from quaero.storage.port import Standing, Stretch, StretchPage

if TYPE_CHECKING:
    from quaero.gateway.following import Following

HOT_BYTES = 4 << 20  # of cuts one view keeps at most
REACH = 10_000  # entries it reaches back at once for those who come, while there is room

Read = Callable[[int, int, int, int], Awaitable[StretchPage]]
"""Reads older stretches: of a tree, beyond a position, up to one, about so many entries."""


class Older(NamedTuple):
    """What was read far behind a view: `cuts` join what comes after `start`, which is later if some is kept no more."""

    after: int
    start: int
    to: int
    cuts: list[Cut]
    is_gone: bool


class View:
    """See the module."""

    def __init__(self, scope: Scope, kin: Kin, head: int, tree: bytes, now: float) -> None:
        self.scope = scope
        self.tree = tree  # how tokens of this tree begin
        self.start = self.head = head
        self._alone: dict[Following, None] = {}
        self._abreast = Abreast()
        self.left_at = now
        self.status: Part | None = None
        self.status_no = 0
        self.log_head = 0
        self.is_terminal = False
        self.is_gone = False
        self.has_news = False
        self.ready = asyncio.Event()
        self.searching = asyncio.Lock()
        self._cuts: list[Cut] = []
        self._size = 0
        self._selection = Selection(scope, kin)
        self._told: object = None
        self._ping: tuple[tuple[int, int, int], Part] | None = None
        self._older: Older | None = None
        self._reading_older = asyncio.Lock()

    # --- who follows

    @property
    def is_followed(self) -> bool:
        """Whether anybody follows."""
        return bool(self._alone or self._abreast)

    @property
    def followings(self) -> "list[Following]":
        """All who follow."""
        return [*self._alone, *self._abreast]

    def add(self, following: "Following") -> None:
        """Somebody follows."""
        self._alone[following] = None

    def remove(self, following: "Following") -> None:
        """Somebody follows no more."""
        self._abreast.step_out(following)
        self._alone.pop(following, None)

    def fall_in(self, following: "Following", channel: Channel) -> None:
        """Somebody who has everything would walk with others."""
        if following in self._alone and self._abreast.fall_in(following, channel):
            del self._alone[following]

    def step_out(self, following: "Following") -> None:
        """Somebody goes on alone."""
        if self._abreast.step_out(following):
            self._alone[following] = None

    async def tell_news(self, turns: Turns) -> None:
        """Let all who follow have what is new."""
        await self._abreast.walk_on(turns)
        async for some in turns.over(list(self._alone)):
            for following in some:
                following.wake()

    async def tell_quiet(self, now: float, turns: Turns) -> None:
        """Let those who were told nothing for long hear that we live."""
        if self._abreast.is_quiet(now):
            await self._abreast.walk_on(turns)
        async for some in turns.over([following for following in self._alone if following.is_quiet(now)]):
            for following in some:
                following.wake()

    # --- entries

    def next_cut(self, at: int) -> Cut | None:
        """The cut that holds what comes after a position not before `start`."""
        found = self._cuts
        if not found or found[-1].to <= at:
            return None
        if found[-1].prev <= at:
            return found[-1]
        return found[bisect_right(found, at, key=lambda cut: cut.to)]

    def shows_any(self, after: int, upto: int) -> bool:
        """Whether there are entries beyond a position not before `start`, up to one not beyond `head`."""
        while after < upto:
            cut = self.next_cut(after)
            if cut is None:
                return False
            first = bisect_right(cut.seqs, after)
            if first < len(cut.seqs):
                return cut.seqs[first] <= upto
            after = cut.to
        return False

    def start_of_last(self, n: int) -> int | None:
        """The position before the last `n` entries, None if the view does not reach back so far."""
        if not n:
            return self.head
        for cut in reversed(self._cuts):
            if n <= len(cut.seqs):
                return cut.seqs[-n] - 1
            n -= len(cut.seqs)
        return None

    async def encode(self, stretches: Iterable[Stretch], prev: int, to: int) -> list[Cut]:
        """The matching entries of some stretches, as cuts."""
        seqs: list[int] = []
        encoded: list[bytes] = []
        for batch in self._selection.batches(stretches):
            if seqs:
                await asyncio.sleep(0)  # let others have their turn
            own = await self._selection.own(batch)
            seqs += [entry.seq for entry in own]
            encoded += [encode(self._selection.shown(entry)) for entry in own]
        return cuts(prev, to, seqs, encoded)

    def extend(self, more: list[Cut]) -> None:
        """Take what came after `head`; the oldest is let go beyond a bound."""
        self.head = more[-1].to
        found = self._cuts
        if not more[0].seqs and found and not found[-1].seqs:
            found[-1].to = self.head
            return
        found += more
        self.has_news = self.has_news or bool(more[0].seqs)
        self._size += sum(cut.size for cut in more)
        gone = 0
        while self._size > HOT_BYTES and gone < len(found) - 1:
            self._size -= found[gone].size
            self.start = found[gone].to
            gone += 1
        del found[:gone]

    def restart(self, head: int) -> None:
        """Forget everything: what was kept does not join what comes."""
        self._cuts, self._size = [], 0
        self.start = self.head = head
        self.has_news = True

    async def older(self, position: int, read: Read, n: int) -> Older | None:
        """What comes after a position before `start`, about `n` entries of it; None if the view holds it by now.

        What reaches up to the view becomes part of it while there is room, so those who come back together are served
        by one read. Of what lies farther back the last read is kept for those who ask for some of the same: viewers
        that stopped together hold the same bytes. One read at a time: what lies decoded in memory is one reader's,
        whoever lags.
        """
        async with self._reading_older:
            upto, kept = self.start, self._older
            if position >= upto:
                return None
            if kept is not None and kept.after <= position < kept.to:
                return kept
            has_room = self._size < HOT_BYTES // 2
            page = await read(self.scope.root_id, position, upto, REACH if has_room and upto - position <= REACH else n)
            start = max(position, page.oldest - 1)
            found = await self.encode(page.stretches, start, page.to) if page.to > start else []
            if found and start == position and page.to == upto and self._take_before(upto, found):
                return None
            older = Older(position, start, page.to, found, is_gone=not page.head)
            self._older = older if found else None
            return older

    def _take_before(self, upto: int, found: list[Cut]) -> bool:
        """Hold what comes right before `start`, if that still is `upto` and there is room."""
        size = sum(cut.size for cut in found)
        if self.start != upto or self._size + size > HOT_BYTES:
            return False
        self._cuts[:0] = found
        self._size += size
        self.start = found[0].prev
        return True

    # --- state

    def tell(self, standing: Standing | None) -> None:
        """Take the state of its job as it is now; None: the job is gone."""
        if standing is None:
            self.has_news = self.is_gone = True
            return
        was_terminal = self.is_terminal
        self.is_terminal = standing.job.is_terminal
        told = told_status(standing, reopened=was_terminal and not self.is_terminal)
        shown = told.shown
        if shown != self._told:
            self._told = shown
            self.log_head = told.log_head
            self.status = part("status", told)
            self.status_no += 1
            self.has_news = True

    def ping(self, position: int, now: int) -> Part:
        """A sign of life at a position; within a second it is the same for all who are there."""
        key = (position, self.head, now // 1_000_000)
        if self._ping is None or self._ping[0] != key:
            self._ping = key, part("ping", Ping(rfc3339(now), self.head), b"%s%d" % (self.tree, position))
        return self._ping[1]
