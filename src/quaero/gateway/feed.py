"""The feed: the only way journal entries reach a viewer, whatever writes them out.

    scope = await feed.scope(job_id, level="info")            # or feed.service_scope("info"); raises NotFound
    following = await feed.follow(scope, cursor=..., limit=100)
    async for part in following:                              # part.kind, part.data (JSON), part.frame (SSE)
        await send(part)                                      # back-pressure is the viewer's own affair
    following.close()                                         # always, in a `finally`

History and live are the same read from a position. `part.kind` is one of `hello`, `logs`, `status`, `ping`, `gap`,
`end`, `bye`; `part.data` is the object of the public interface. `follow` raises `AtTheEnd` when a closed tree has
nothing more for this cursor. `feed.changes(root_id)` gives every change of status of a tree as it is recorded.

One tail per watched tree reads once for all its viewers; one view per filter class encodes once.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from quaero.clock import Clock
from quaero.domain.cursor import parse_cursor
from quaero.domain.errors import NotFound
from quaero.gateway.finding import find_job
from quaero.gateway.following import Following
from quaero.gateway.kin import Kin
from quaero.gateway.lookout import Lookout
from quaero.gateway.parts import Part, part
from quaero.gateway.scope import Scope, job_scope, level_of, service_scope
from quaero.gateway.tail import Changes, Tail
from quaero.gateway.told import VERSION, Hello, Mode
from quaero.gateway.view import View
from quaero.storage.port import Store, StretchPage

BEHIND_READERS = 4  # viewers that lag and read at the same time
BEHIND_CHANGES = 50_000  # entries
TICK = 1.0  # seconds between looks for viewers that have been quiet


class AtTheEnd(Exception):
    """This cursor has everything of a tree that is closed."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a viewer begins. `has_more`: there are older entries it will not get."""

    position: int
    mode: Mode
    head: int
    oldest: int
    has_more: bool = False


class Feed:
    """All feeds of one gateway process."""

    def __init__(self, store: Store, lookout: Lookout, clock: Clock, *, interval: float, ping_seconds: float) -> None:
        self.clock = clock
        self.ping_seconds = ping_seconds
        self._store = store
        self._lookout = lookout
        self._interval = interval
        self._kin = Kin(store)
        self._tails: dict[int, Tail] = {}
        self._opening = asyncio.Lock()
        self._behind = asyncio.Semaphore(BEHIND_READERS)

    # --- scopes

    async def scope(self, job_id: int, *, step: str | None = None, level: str = "info", below: bool = True) -> Scope:
        """The scope of a job, or of a step of its tree. Raises NotFound, InvalidInput."""
        job = await find_job(self._store, job_id)
        return await job_scope(self._store, job, step=step, below=below, level=level_of(level))

    def service_scope(self, level: str = "info") -> Scope:
        """The scope of the service log."""
        return service_scope(level_of(level))

    # --- following

    async def follow(self, scope: Scope, *, cursor: str | None = None, limit: int = 100) -> Following:
        """Begin to follow: after the cursor, or with the last `limit` entries. Raises NotFound, AtTheEnd."""
        tail = await self._tail(scope.root_id)
        view = tail.view(scope)
        return Following(self, tail, view, await self._start(scope, cursor, limit))

    async def _start(self, scope: Scope, cursor: str | None, limit: int) -> Start:
        """Position first: whatever is recorded meanwhile comes after it."""
        newest = await self._store.entries(scope.root_id, scope.where, limit=max(limit, 1), descending=True)
        head, oldest = newest.head, newest.oldest
        mode: Mode = "tail"
        if cursor:
            given = parse_cursor(cursor)
            if given and given[:2] == (self._store.incarnation, scope.root_id) and given.seq <= head:
                await self._check_end(scope, given.seq)
                return Start(given.seq, "resume", head, oldest)
            mode = "reset"
        shown = newest.entries[:limit]
        if not shown:
            return Start(head, mode, head, oldest, has_more=bool(newest.entries))
        has_more = len(shown) == limit and shown[-1].seq > oldest
        return Start(shown[-1].seq - 1, mode, head, oldest, has_more)

    async def _check_end(self, scope: Scope, position: int) -> None:
        if scope.is_service:
            return
        job = await find_job(self._store, scope.job_id)
        root = job if job.is_root else await find_job(self._store, scope.root_id)
        if job.is_terminal and position >= (root.journal_head if job.is_root else job.last_seq):
            raise AtTheEnd

    async def _tail(self, root_id: int) -> Tail:
        async with self._opening:
            tail = self._tails.get(root_id)
            if tail is None:
                marks = await self._store.marks([root_id])
                if not marks:
                    raise NotFound(f"there is no job {root_id}")
                tail = self._tails[root_id] = Tail(
                    root_id,
                    marks[0].head,
                    store=self._store,
                    lookout=self._lookout,
                    kin=self._kin,
                    clock=self.clock,
                    interval=self._interval,
                )
            return tail

    def hello(self, tail: Tail, start: Start) -> Part:
        """The first part of a viewer."""
        interval = round(self._interval * 1_000)
        return part("hello", Hello(VERSION, start.head, start.oldest, start.mode, interval, self._store.incarnation))

    def left(self, tail: Tail, view: View) -> None:
        """A viewer has gone."""

    async def read_behind(self, tail: Tail, after: int, upto: int, limit: int) -> StretchPage:
        """Older stretches, for one who lags: few at a time, and never before those who do not."""
        async with self._behind:
            return await self._store.stretches(tail.root_id, after=after, upto=upto, limit=limit, patient=True)

    async def changes(self, root_id: int, *, after: int | None = None) -> AsyncIterator[Changes]:
        """Every change of status of a tree beyond a position (None: from now on, and the first item says from where).

        Close the iterator when done (`contextlib.aclosing`). Raises NotFound.
        """
        tail = await self._tail(root_id)
        position = tail.head if after is None else after
        told = Changes(position, position, [])
        with tail.hearing():
            while True:
                yield told
                position = told.to
                while (heard := tail.changes_after(position)) is None:
                    if position < tail.head:
                        heard = await self._older_changes(tail, position)
                        break
                    await tail.flushed()
                told = heard

    async def _older_changes(self, tail: Tail, after: int) -> Changes:
        page = await self.read_behind(tail, after, tail.head, BEHIND_CHANGES)
        return Changes(after, page.to, [change for stretch in page.stretches for change in stretch.changes()])

    # --- running

    async def run(self) -> None:
        """Look out, and let quiet viewers say that they live; ends when cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._lookout.run())
                group.create_task(self._tick())
        finally:
            for tail in self._tails.values():
                await tail.close()
            self._tails.clear()

    async def _tick(self) -> None:
        while True:
            await self.clock.sleep(TICK)
            for tail in list(self._tails.values()):
                tail.wake_quiet()
