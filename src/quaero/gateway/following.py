"""One viewer's way through a scope: a place, and what to send next from there. It holds no queue.

`async for part in following` gives what there is to tell, in order, and waits when there is nothing: `hello`, then
`logs`, `status`, `gap`, and `ping` when it was quiet. `end` comes once everything is terminal and was given out;
after `end` it goes on (the tree may be reopened) and stops a minute later. `bye` is the last part when it is sent away.

Whoever would rather be called than wait sets `on_news`, and then takes `next_part()` until there is none, and
awaits `catch_up()` while it `is_behind`; having everything it may fall in with others (`abreast.py`).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from quaero.gateway.channel import Channel
from quaero.gateway.parts import Cut, Part, part
from quaero.gateway.place import Place
from quaero.gateway.told import Bye, End, Gap

if TYPE_CHECKING:
    from quaero.gateway.feed import Feed, Start
    from quaero.gateway.view import View

BEHIND_AT_FIRST, BEHIND_AT_ONCE = 250, 2_000  # entries a viewer that lags reads at a time; more when it takes them all
AFTER_END = 60.0  # seconds of pings


class Following:
    """See the module. Made by `Feed.follow`; close it when done."""

    __slots__ = (
        "__weakref__", "_at_once", "_behind", "_feed", "_first", "_has_more", "_view", "_waiter", "is_closed",
        "on_news", "place", "start",
    )  # fmt: skip

    def __init__(self, feed: "Feed", view: "View", start: "Start", *first: Part) -> None:
        self.start = start
        self.place = Place(start.position, start.position, feed.clock.monotonic())
        self.is_closed = False
        self.on_news: Callable[[], None] | None = None
        self._feed = feed
        self._view = view
        self._first = deque(first) if first else None
        self._behind: deque[Cut] | None = None
        self._at_once = BEHIND_AT_FIRST
        self._has_more = start.has_more
        self._waiter: asyncio.Future[None] | None = None

    def twin(self) -> "Following":
        """Another one that has the same."""
        made = Following(self._feed, self._view, self.start)
        made.place = self.place.copy()
        made._has_more = self._has_more
        return made

    # --- what the outside does to it

    def wake(self) -> None:
        """Let it look again."""
        if self.on_news is not None:
            self.on_news()
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fall_in(self, channel: Channel) -> None:
        """Having everything, walk with those who have the same: what comes is written to the channel.

        It is woken when it walks alone again: because of what comes, or because its channel is full.
        """
        self._view.fall_in(self, channel)

    def step_out(self) -> None:
        """Walk alone from here."""
        self._view.step_out(self)

    def leave(self, retry_ms: int) -> None:
        """Say `bye` and stop."""
        self.step_out()
        self._say_first(part("bye", Bye(retry_ms)))
        self.wake()

    def close(self) -> None:
        """Stop at once, and be forgotten. May be called twice."""
        if not self.is_closed:
            self.is_closed = True
            self._view.remove(self)
            self.wake()
            self.on_news = None

    # --- what the viewer gets

    @property
    def root_id(self) -> int:
        """The tree it follows."""
        return self._view.scope.root_id

    @property
    def position(self) -> int:
        """Up to where it has looked at everything."""
        return self.place.position

    def lacks(self, head: int) -> bool:
        """Whether there is something to give, or may be, of the entries up to `head`."""
        view, position = self._view, self.place.position
        if position >= head:
            return False
        return bool(self._behind) or position < view.start or view.head < head or view.shows_any(position, head)

    @property
    def token(self) -> bytes:
        """The cursor of everything it has given out."""
        return b"%s%d" % (self._view.tree, self.place.sent)

    @property
    def is_behind(self) -> bool:
        """Whether what comes next is no longer held in memory: `catch_up` first."""
        view = self._view
        has_some = self._first or self._behind or view.is_gone or self.is_closed
        return not has_some and self.place.position < view.start

    @property
    def must_walk_alone(self) -> bool:
        """Whether what comes next is not the same for all who have the same, or is not held in memory."""
        own = self._first or self._behind or self._has_more or self.is_closed or self.place.ended_at is not None
        return bool(own) or self._view.is_gone or self.place.position < self._view.start

    def is_quiet(self, now: float) -> bool:
        """Whether it was told nothing for so long that it should hear that we live."""
        return now - self.place.told_at >= self._feed.ping_seconds

    def __aiter__(self) -> "Following":
        return self

    async def __anext__(self) -> Part:
        while True:
            told = self.next_part()
            if told is not None:
                return told
            if self.is_closed:
                raise StopAsyncIteration
            await (self.catch_up() if self.is_behind else self._wait())

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def next_part(self) -> Part | None:
        """What to send now, None if there is nothing."""
        if self.is_closed:
            return None
        told = self._next()
        if told is not None:
            self.place.told_at = self._feed.clock.monotonic()
            if told.kind == "bye":
                self.close()
        return told

    def _next(self) -> Part | None:
        if self._first:
            return self._first.popleft()
        entries = self._next_entries()
        if entries is not None:
            return entries
        if self._view.is_gone:
            return self._next_of_gone() or self._next_sign()
        if self.place.position < self._view.start:
            return None
        return self._next_state() or self._next_sign()

    def _say_first(self, told: Part) -> None:
        if self._first is None:
            self._first = deque()
        self._first.append(told)

    def _next_entries(self) -> Part | None:
        while (cut := self._next_cut()) is not None:
            told = self.place.pass_over(cut, self._view.tree, has_more=self._has_more)
            if told is not None:
                self._has_more = False
                return told
        return None

    def _next_cut(self) -> Cut | None:
        if self._behind:
            return self._behind.popleft()
        if self.place.position < self._view.start:
            return None
        self._behind = None
        return self._view.next_cut(self.place.position)

    def _next_state(self) -> Part | None:
        view, place = self._view, self.place
        if view.status is None or (view.is_terminal and place.position < view.log_head):
            return None
        if view.status_no != place.status_no:
            place.status_no = view.status_no
            place.ended_at = None
            return view.status
        if view.is_terminal and place.ended_at is None:
            if place.sent < place.position:
                told = Cut(place.sent, place.position, [], []).part(place.sent, view.tree)
                place.sent = place.position
                return told
            place.ended_at = self._feed.clock.monotonic()
            return part("end", End(view.log_head))
        return None

    def _next_of_gone(self) -> Part | None:
        """The tree was deleted under its viewers: nothing will come any more."""
        if self.place.ended_at is not None:
            return None
        self.place.ended_at = self._feed.clock.monotonic()
        end = part("end", End(self._view.head))
        if self.place.position >= self._view.head:
            return end
        self._say_first(end)
        return part("gap", Gap(self.place.position + 1, self._view.head))

    def _next_sign(self) -> Part | None:
        now, place = self._feed.clock.monotonic(), self.place
        if now - place.told_at < self._feed.ping_seconds:
            return None
        if place.ended_at is not None and now - place.ended_at >= AFTER_END:
            self.close()
            return None
        place.sent = place.position
        return self._view.ping(place.position, self._feed.clock.now())

    async def catch_up(self) -> None:
        """Have what comes next of what lies before the view. Raises StoreUnavailable."""
        place = self.place
        older = await self._view.older(place.position, self._feed.read_behind, self._at_once)
        if older is None:
            return
        self._at_once = min(2 * self._at_once, BEHIND_AT_ONCE)
        if older.start > place.position:
            self._say_first(part("gap", Gap(place.position + 1, older.start)))
            place.position = place.sent = older.start
        left = deque(cut for cut in older.cuts if cut.to > place.position)
        if left:
            self._behind = left
        elif older.is_gone:
            self._view.is_gone = True
        elif place.position < self._view.start:
            raise LookupError(f"tree {self.root_id} has a hole after entry {place.position}")

    def let_go(self) -> None:
        """Hold nothing of what was read for it: its viewer takes less than it is sent, and may never take more."""
        self._behind = None
        self._at_once = BEHIND_AT_FIRST
