"""One viewer's way through a scope: a position, and what to send next from there. It holds no queue.

`async for part in following` gives what there is to tell, in order, and waits when there is nothing: `hello`, then
`logs`, `status`, `gap`, and `ping` when it was quiet. `end` comes once everything is terminal and was given out;
after `end` it goes on (the tree may be reopened) and stops a minute later. `bye` is the last part when it is sent away.

Whoever would rather be called than wait sets `on_news`, and then takes `next_part()` until there is none, and
awaits `catch_up()` while it `is_behind`.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from quaero.gateway.parts import Cut, Part, part
from quaero.gateway.told import Bye, End, Gap

if TYPE_CHECKING:
    from quaero.gateway.feed import Feed, Start
    from quaero.gateway.view import View

BEHIND_AT_ONCE = 2_000  # entries a viewer that lags reads at a time
AFTER_END = 60.0  # seconds of pings


class Following:
    """See the module. Made by `Feed.follow`; close it when done."""

    __slots__ = (
        "__weakref__", "_behind", "_ended_at", "_feed", "_first", "_has_more", "_status_no", "_told_at",
        "_view", "_waiter", "is_closed", "on_news", "position", "sent", "start",
    )  # fmt: skip

    def __init__(self, feed: "Feed", view: "View", start: "Start") -> None:
        self.start = start
        self.position = self.sent = start.position
        self.is_closed = False
        self.on_news: Callable[[], None] | None = None
        self._feed = feed
        self._view = view
        self._first: deque[Part] | None = deque([feed.hello(start)])
        self._behind: deque[Cut] | None = None
        self._has_more = start.has_more
        self._status_no = 0
        self._ended_at: float | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._told_at = feed.clock.monotonic()
        view.add(self)

    # --- what the outside does to it

    def wake(self) -> None:
        """Let it look again."""
        if self.on_news is not None:
            self.on_news()
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def leave(self, retry_ms: int) -> None:
        """Say `bye` and stop."""
        self._say_first(part("bye", Bye(retry_ms)))
        self.wake()

    def close(self) -> None:
        """Stop at once, and be forgotten. May be called twice."""
        if not self.is_closed:
            self.is_closed = True
            self._view.remove(self)
            self.on_news = None
            self.wake()

    def wake_if_quiet(self, now: float) -> None:
        """Let it say that it lives, if it was quiet for long."""
        if now - self._told_at >= self._feed.ping_seconds:
            self.wake()

    # --- what the viewer gets

    @property
    def root_id(self) -> int:
        """The tree it follows."""
        return self._view.scope.root_id

    @property
    def token(self) -> bytes:
        """The cursor of everything it has given out."""
        return b"%s%d" % (self._view.tree, self.sent)

    @property
    def is_behind(self) -> bool:
        """Whether what comes next is no longer held in memory: `catch_up` first."""
        view = self._view
        has_some = self._first or self._behind or view.is_gone or self.is_closed
        return not has_some and self.position < view.start

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
            self._told_at = self._feed.clock.monotonic()
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
        if self.position < self._view.start:
            return None
        return self._next_state() or self._next_sign()

    def _say_first(self, told: Part) -> None:
        if self._first is None:
            self._first = deque()
        self._first.append(told)

    def _next_entries(self) -> Part | None:
        view = self._view
        while True:
            if self._behind:
                cut: Cut | None = self._behind.popleft()
            elif self.position >= view.start:
                self._behind = None
                cut = view.next_cut(self.position)
            else:
                return None
            if cut is None:
                return None
            self.position = cut.to
            if cut.seqs and cut.seqs[-1] > self.sent:
                told = cut.part(self.sent, view.tree, self._has_more)
                self._has_more = False
                self.sent = cut.to
                return told

    def _next_state(self) -> Part | None:
        view = self._view
        if view.status is None or (view.is_terminal and self.position < view.log_head):
            return None
        if view.status_no != self._status_no:
            self._status_no = view.status_no
            self._ended_at = None
            return view.status
        if view.is_terminal and self._ended_at is None:
            if self.sent < self.position:
                told = Cut(self.sent, self.position, [], []).part(self.sent, view.tree)
                self.sent = self.position
                return told
            self._ended_at = self._feed.clock.monotonic()
            return part("end", End(view.log_head))
        return None

    def _next_of_gone(self) -> Part | None:
        """The tree was deleted under its viewers: nothing will come any more."""
        if self._ended_at is not None:
            return None
        self._ended_at = self._feed.clock.monotonic()
        end = part("end", End(self._view.head))
        if self.position >= self._view.head:
            return end
        self._say_first(end)
        return part("gap", Gap(self.position + 1, self._view.head))

    def _next_sign(self) -> Part | None:
        now = self._feed.clock.monotonic()
        if now - self._told_at < self._feed.ping_seconds:
            return None
        if self._ended_at is not None and now - self._ended_at >= AFTER_END:
            self.close()
            return None
        self.sent = self.position
        return self._view.ping(self.position, self._feed.clock.now())

    async def catch_up(self) -> None:
        """Have what lies between here and the view: shared if it is little, else read at this viewer's own pace."""
        if await self._view.reach_back_to(self.position, self._feed.read_behind):
            return
        upto = self._view.start
        page = await self._feed.read_behind(self.root_id, self.position, upto, BEHIND_AT_ONCE)
        if page.oldest - 1 > self.position:
            self._say_first(part("gap", Gap(self.position + 1, page.oldest - 1)))
            self.position = self.sent = page.oldest - 1
        if page.to > self.position:
            self._behind = deque(await self._view.encode(page.stretches, self.position, page.to))
        elif not page.head:
            self._view.is_gone = True
        elif self.position < upto:
            raise LookupError(f"tree {self.root_id} has a hole after entry {self.position}")
