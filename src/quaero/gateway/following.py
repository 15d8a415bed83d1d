"""One viewer's way through a scope: a position, and what to send next from there. It holds no queue.

`async for part in following` gives what there is to tell, in order, and waits when there is nothing: `hello`, then
`logs`, `status`, `gap`, and `ping` when it was quiet. `end` comes once everything is terminal and was given out;
after `end` it goes on (the tree may be reopened) and stops a minute later. `bye` is the last part when it is ended
from outside.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from quaero.domain.wire import rfc3339
from quaero.gateway.parts import Cut, Part, part
from quaero.gateway.told import Bye, End, Gap, Ping

if TYPE_CHECKING:
    from quaero.gateway.feed import Feed, Start
    from quaero.gateway.tail import Tail
    from quaero.gateway.view import View

BEHIND_AT_ONCE = 2_000  # entries a viewer that lags reads at a time
AFTER_END = 60.0  # seconds of pings


class Following:
    """See the module. Made by `Feed.follow`; close it when done."""

    def __init__(self, feed: "Feed", tail: "Tail", view: "View", start: "Start") -> None:
        self.start = start
        self.position = self.sent = start.position
        self._feed = feed
        self._tail = tail
        self._view = view
        self._first: deque[Part] = deque([feed.hello(tail, start)])
        self._behind: deque[Cut] = deque()
        self._has_more = start.has_more
        self._status_no = 0
        self._ended_at: float | None = None
        self._bye: Part | None = None
        self._is_closed = False
        self._waiter: asyncio.Future[None] | None = None
        self._told_at = feed.clock.monotonic()
        view.followings.add(self)

    # --- what the outside does to it

    def wake(self) -> bool:
        """Let it look again; whether it was waiting."""
        waiter = self._waiter
        if waiter is None or waiter.done():
            return False
        waiter.set_result(None)
        return True

    def leave(self, retry_ms: int) -> None:
        """Say `bye` and stop."""
        self._bye = part("bye", Bye(retry_ms))
        self.wake()

    def close(self) -> None:
        """Stop at once, and be forgotten. May be called twice."""
        if not self._is_closed:
            self._is_closed = True
            self._view.followings.discard(self)
            self._feed.left(self._tail, self._view)
            self.wake()

    @property
    def token(self) -> bytes:
        """The cursor of the position everything up to which it has given out."""
        return b"%s%d" % (self._view.tree, self.sent)

    @property
    def is_due(self) -> bool:
        """Whether it has been quiet for so long that it should say it lives, or its time after the end is over."""
        return self._feed.clock.monotonic() - self._told_at >= self._feed.ping_seconds

    # --- what the viewer gets

    def __aiter__(self) -> "Following":
        return self

    async def __anext__(self) -> Part:
        while True:
            if self._is_closed:
                raise StopAsyncIteration
            told = self._next()
            if told is not None:
                self._told_at = self._feed.clock.monotonic()
                return told
            if self._is_closed:
                raise StopAsyncIteration
            if self.position < self._view.start:
                await self._catch_up()
            else:
                await self._wait()

    def _next(self) -> Part | None:
        """What to send now."""
        if self._first:
            return self._first.popleft()
        if self._bye is not None:
            told, self._bye = self._bye, None
            self.close()
            return told
        entries = self._next_entries()
        if entries is not None:
            return entries
        if self.position < self._view.start:
            return None
        return self._next_state() or self._next_sign()

    def _next_entries(self) -> Part | None:
        while True:
            if self._behind:
                cut: Cut | None = self._behind.popleft()
            elif self.position >= self._view.start:
                cut = self._view.next_cut(self.position)
            else:
                return None
            if cut is None:
                return None
            self.position = cut.to
            if cut.seqs and cut.seqs[-1] > self.sent:
                told = cut.part(self.sent, self._view.tree, self._has_more)
                self._has_more = False
                self.sent = cut.to
                return told

    def _next_state(self) -> Part | None:
        view = self._view
        if view.is_gone:
            return self._next_of_gone()
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
        if self._ended_at is None:
            self._ended_at = self._feed.clock.monotonic()
            end = part("end", End(self._tail.head))
            if self.position >= self._tail.head:
                return end
            self._first.append(end)
            return part("gap", Gap(self.position + 1, self._tail.head))
        return self._next_sign()

    def _next_sign(self) -> Part | None:
        if not self.is_due:
            return None
        now = self._feed.clock.monotonic()
        if self._ended_at is not None and now - self._ended_at >= AFTER_END:
            self.close()
            return None
        self.sent = self.position
        ping = Ping(rfc3339(self._feed.clock.now()), self._tail.head)
        return part("ping", ping, b"%s%d" % (self._view.tree, self.position))

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def _catch_up(self) -> None:
        """Read what lies between here and the view from the store, at this viewer's own pace."""
        page = await self._feed.read_behind(self._tail, self.position, self._view.start, BEHIND_AT_ONCE)
        if page.oldest - 1 > self.position:
            self._first.append(part("gap", Gap(self.position + 1, page.oldest - 1)))
            self.position = self.sent = page.oldest - 1
        if page.to > self.position:
            self._behind.extend(await self._view.encode(page.stretches, self.position, page.to))
        elif page.head:
            raise LookupError(f"tree {self._tail.root_id} has a hole after entry {self.position}")
        else:
            self._view.is_gone = True
            self._view.restart(self.position)
