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
import logging
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from quaero.clock import Clock
from quaero.domain.cursor import parse_cursor
from quaero.domain.errors import NotFound, StoreUnavailable
from quaero.gateway.finding import find_job
from quaero.gateway.following import BEHIND_AT_FIRST, Following
from quaero.gateway.kin import Kin
from quaero.gateway.lookout import Lookout
from quaero.gateway.pace import Pace
from quaero.gateway.parts import part
from quaero.gateway.remembered import Remembered
from quaero.gateway.scope import Scope, job_scope, level_of, service_scope
from quaero.gateway.selection import Selection
from quaero.gateway.tail import Changes, Tail
from quaero.gateway.told import VERSION, Hello, Mode
from quaero.gateway.turns import Turns
from quaero.gateway.view import View
from quaero.storage.port import EntryFilter, Store, StretchPage

BEHIND_READERS = 4  # viewers that lag and read at the same time
BEHIND_CHANGES = 5_000  # entries
SCOPE_SECONDS = 2.0  # what a scope is made of never changes, but its job may be deleted
SHED_SHARE = 20  # one viewer of so many is sent away each second, while it is too much
SHED_RETRY_MS = (5_000, 15_000)
TICK = 1.0  # seconds between looks for viewers that have been quiet and trees nobody watches

log = logging.getLogger(__name__)


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
        self.pace = Pace(clock, interval)
        self._store = store
        self._lookout = lookout
        self.kin = Kin(store)
        self._tails: dict[int, Tail] = {}
        self._deleted: list[View] = []
        self._opening = asyncio.Lock()
        self._scopes = Remembered[tuple[int, str | None, str | None, int], Scope](clock, SCOPE_SECONDS)
        self._behind = asyncio.Semaphore(BEHIND_READERS)

    @property
    def watched(self) -> int:
        """How many trees somebody watches."""
        return len(self._tails)

    # --- scopes

    async def scope(
        self, job_id: int, *, step: str | None = None, children: str | None = None, level: str = "info"
    ) -> Scope:
        """The scope of a job or of a step of its tree, or of some children of either. Raises NotFound, InvalidInput."""
        wanted = level_of(level)

        async def find() -> Scope:
            job = await find_job(self._store, job_id)
            return await job_scope(self._store, job, step=step, children=children, level=wanted)

        return await self._scopes.get((job_id, step, children, wanted), find)

    def service_scope(self, level: str = "info") -> Scope:
        """The scope of the service log."""
        return service_scope(level_of(level))

    def selection(self, scope: Scope) -> Selection:
        """Tells which entries belong to a scope."""
        return Selection(scope, self.kin)

    # --- following

    async def follow(
        self, scope: Scope, *, cursor: str | None = None, limit: int = 100, closed_too: bool = False
    ) -> Following:
        """Begin to follow: after the cursor, or with the last `limit` entries. Raises NotFound, AtTheEnd.

        `closed_too`: also from the end of a closed tree, which may be opened again.
        """
        tail = await self._tail(scope.root_id)
        with tail.held():
            view = tail.view(scope)
            await view.ready.wait()
            start = await self._start(tail, view, cursor, limit, closed_too)
            if tail.is_broken:  # nobody would wake a viewer of it, and nobody would send it away
                raise StoreUnavailable(f"the feed of tree {scope.root_id} broke off: try again")
            return self._begin(view, start)

    def follow_deleted(self, job_id: int, cursor: str) -> Following | None:
        """A gap and the end, for whoever comes back to a tree that was deleted. None for a strange cursor."""
        given = parse_cursor(cursor)
        if given is None or given.incarnation != self._store.incarnation or given.root_id > job_id:
            return None
        scope = Scope(job_id, given.root_id, EntryFilter(), {}, None, one_counter=False)
        tree = f"{given.incarnation}.{given.root_id}.".encode()
        view = View(scope, self.kin, given.seq + 1, tree, self.clock.monotonic())
        view.tell(None)
        self._deleted.append(view)
        return self._begin(view, Start(given.seq, "resume", given.seq, given.seq))

    def _begin(self, view: View, start: Start) -> Following:
        interval = round(self.pace.least * 1_000)
        hello = Hello(VERSION, start.head, start.oldest, start.mode, interval, self._store.incarnation)
        following = Following(self, view, start, part("hello", hello))
        view.add(following)
        return following

    async def _start(self, tail: Tail, view: View, cursor: str | None, limit: int, closed_too: bool) -> Start:
        mode: Mode = "tail"
        if cursor:
            position = await self._position_of(tail, cursor)
            if position is not None:
                if view.is_terminal and position >= view.log_head and not closed_too:
                    raise AtTheEnd
                return Start(position, "resume", tail.head, tail.oldest)
            mode = "reset"
        position = view.start_of_last(limit)
        if position is None:
            position = await self._start_of_last(tail, view, limit)
        return Start(position, mode, tail.head, tail.oldest, has_more=bool(limit) and position >= tail.oldest)

    async def _position_of(self, tail: Tail, cursor: str) -> int | None:
        """The position a cursor of this tree names, if it is one that can have been given out."""
        given = parse_cursor(cursor)
        if given is None or given[:2] != (self._store.incarnation, tail.root_id):
            return None
        if given.seq > tail.head:  # perhaps from another gateway, which has seen more
            marks = await self._store.marks([tail.root_id])
            if not marks or given.seq > marks[0].head:
                return None
        return given.seq

    async def _start_of_last(self, tail: Tail, view: View, n: int) -> int:
        """The position before the last `n` entries, found once for all who ask at the same time."""
        async with view.searching:
            position = view.start_of_last(n)
            if position is None:
                head, scope = view.head, view.scope
                page = await self._store.entries(scope.root_id, scope.where, after=head + 1, limit=n, descending=True)
                position = page.entries[-1].seq - 1 if page.entries else head
                if len(page.entries) < n:
                    position = min(position, page.oldest - 1)
                await view.older(position, self.read_behind, BEHIND_AT_FIRST)
            return position

    async def _tail(self, root_id: int) -> Tail:
        async with self._opening:
            tail = self._tails.get(root_id)
            if tail is None or tail.is_broken:
                marks = await self._store.marks([root_id])
                if not marks:
                    raise NotFound(f"there is no job {root_id}")
                if tail is not None:
                    await tail.close()
                tail = self._tails[root_id] = Tail(
                    root_id,
                    marks[0].head,
                    store=self._store,
                    lookout=self._lookout,
                    kin=self.kin,
                    clock=self.clock,
                    pace=self.pace,
                )
            return tail

    async def read_behind(self, root_id: int, after: int, upto: int, limit: int) -> StretchPage:
        """Older stretches, for one who lags: few at a time, and never before those who do not."""
        async with self._behind:
            return await self._store.stretches(root_id, after=after, upto=upto, limit=limit, patient=True)

    async def changes(self, root_id: int, *, after: int | None = None) -> AsyncGenerator[Changes, None]:
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
                if heard.to == position:  # the tree was deleted
                    return
                told = heard

    async def _older_changes(self, tail: Tail, after: int) -> Changes:
        page = await self.read_behind(tail.root_id, after, tail.head, BEHIND_CHANGES)
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
        turns = Turns()
        while True:
            await self.clock.sleep(TICK)
            now = self.clock.monotonic()
            turns.begin()
            self._deleted = [view for view in self._deleted if view.is_followed]
            for view in self._deleted:
                await view.tell_quiet(now, turns)
            for tail in list(self._tails.values()):
                try:
                    await self._look_after(tail, now, turns)
                except Exception:
                    log.exception("viewers of tree %s could not be looked after; the next look follows", tail.root_id)
            if self.pace.is_overloaded:
                self._shed()

    async def _look_after(self, tail: Tail, now: float, turns: Turns) -> None:
        await tail.tell_quiet(now, turns)
        if not tail.tidy(now) and self._tails.get(tail.root_id) is tail:
            del self._tails[tail.root_id]
            await tail.close()

    def _shed(self) -> None:
        """Send some viewers to other gateways, or back when there is less to do."""
        everybody = [
            following for tail in self._tails.values() for v in tail.views.values() for following in v.followings
        ]
        some = random.sample(everybody, len(everybody) // SHED_SHARE)
        log.warning("flushing costs more than there is: %d of %d viewers are sent away", len(some), len(everybody))
        for following in some:
            following.leave(random.randint(*SHED_RETRY_MS))
