"""The run map, live: the code of every child that changed since a map was fetched, a flush at a time.

A map holds at a cursor. What changed after it is in the tree's journal, read once for all who watch the tree; children
that were spawned after it are found by their ids, which only grow. A change of status is the code of a map by status;
for the others it says which children to look at. Codes are absolute: a repeat does no harm.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from quaero.domain.cursor import Cursor, parse_cursor
from quaero.domain.errors import StoreUnavailable
from quaero.domain.job import Job
from quaero.domain.status import PENDING, RUNNING, WAITING
from quaero.gateway.finding import find_job
from quaero.gateway.interest import Row
from quaero.gateway.mapcolours import GROW_SECONDS, UNKNOWN
from quaero.gateway.mapformat import OTHER, MapGroup
from quaero.gateway.stateplane import StatePlane
from quaero.gateway.subscription import Key, Outlet, Subscription
from quaero.gateway.topics import Subscribe, envelope, json_of
from quaero.storage.port import Change, EntryFilter

MAP = "map"
FLUSH_SECONDS = 0.25
MOST_CHANGES = 100_000  # that wait to be told; beyond it, fetching the map again is cheaper
MOST_NEW = 20_000  # children in one flush; the rest come with the next
MARGIN = 2_000_000  # microseconds; a map may hold children made so long after its cursor's last entry


class MapSubscription(Subscription):
    """The changes of one job's children after a cursor of its map."""

    def __init__(self, plane: StatePlane, outlet: Outlet, ask: Subscribe, job_id: int) -> None:
        super().__init__(plane, outlet, ask)
        self._job_id = job_id
        self._root_id = 0
        self._changed: dict[int, Change] = {}
        self._grown: dict[int, int] = {}  # codes that grow, as they were told last
        self._told: dict[int, int] = {}  # positions of changes told since they were looked at last
        self._grows = self._looks = False
        self._to = self._told_to = 0
        self._last_child = 0
        self._must_reset = False
        self._has_new = True
        self._tasks: list[asyncio.Task[None]] = []

    def interval(self, kind: str) -> float:
        """A map moves smoothly: more often than a row, unless the settings say otherwise."""
        return self.plane.interval(kind, FLUSH_SECONDS)

    async def open(self) -> list[str]:
        """Go on from the cursor; one that cannot be used is told with a reset. Raises NotFound."""
        job = await find_job(self.plane.store, self._job_id)
        self._root_id = job.root_id
        await self.plane.interest.watch(self, [job])
        after = await self._position()
        self._to = self._told_to = after
        self._note(job)
        self._tasks.append(asyncio.create_task(self._keep_reading(after)))
        if self.ask.by == "duration":
            self._tasks.append(asyncio.create_task(self._keep_looking()))
        self.outlet.due(self, MAP, 0, urgent=True)
        return []

    async def _position(self) -> int:
        """Where the client's map stands; where nobody can say, the head, and the client must fetch it again."""
        store = self.plane.store
        given = parse_cursor(self.ask.cursor or "")
        seq = given.seq if given is not None and given[:2] == (store.incarnation, self._root_id) else -1
        page = await store.entries(self._root_id, EntryFilter(), after=max(0, seq - 1), limit=1)
        if page.oldest - 1 <= seq <= page.head:
            made_after = page.entries[0].at - MARGIN if page.entries else 0
            last = await store.newest_child(self._job_id, before=made_after)
            if last is not None:
                self._last_child = last
                return seq
        self._must_reset = True
        self._last_child = await store.newest_child(self._job_id) or 0
        return page.head

    # --- told by the state plane and the feed

    def moved(self, row: Row, before: Job | None) -> None:
        """The parent is newer: it may have more children."""
        self._note(row.job)
        if before is None or before.tally.total != row.job.tally.total:
            self._has_new = True
            self.outlet.due(self, MAP, 0)

    def gone(self, job_id: int) -> None:
        """The parent is no more: nothing will change."""

    def _note(self, parent: Job) -> None:
        self._grows = bool(parent.tally[RUNNING] + parent.tally[WAITING])

    async def _keep_looking(self) -> None:
        """While children run, their time goes on."""
        while True:
            await self.plane.clock.sleep(GROW_SECONDS)
            if self._grows or self._told:
                self._looks = True
                self.outlet.due(self, MAP, 0)

    async def _keep_reading(self, after: int) -> None:
        try:
            async with aclosing(self.plane.feed.changes(self._root_id, after=after)) as changes:
                async for some in changes:
                    await self._take(some.changes, some.to)
        except Exception as error:
            self.outlet.fail(self, error)

    async def _take(self, changes: Sequence[Change], to: int) -> None:
        await self.plane.feed.kin.learn({change.job_id for change in changes})
        parent = self.plane.feed.kin.parent
        self._changed.update((change.job_id, change) for change in changes if parent(change.job_id) == self._job_id)
        self._to = to
        if len(self._changed) > MOST_CHANGES:
            self._changed.clear()
            self._must_reset = True
        if changes:
            self.outlet.due(self, MAP, 0)

    # --- asked by the connection

    async def frames(self, keys: Sequence[Key]) -> list[str]:
        """One message with everything that changed. Nothing is forgotten when the store cannot be read."""
        if self._has_new:
            await self._take_new()
        if self._must_reset:
            self._must_reset = False
            self._changed.clear()
            return [self._message(self._to, [], reset=True)]
        to = self._to
        moved = {job_id: change for job_id, change in self._changed.items() if job_id <= self._last_child}
        codes, legend = await self._coloured(moved)
        grown = await self._grown_further() if self._looks else {}
        self._changed = {
            job_id: change
            for job_id, change in self._changed.items()
            if job_id <= self._last_child and moved.get(job_id) is not change
        }
        codes.update((job_id, code) for job_id, code in grown.items() if job_id not in codes)
        if not codes and to == self._told_to:
            return []
        self._told_to = to
        return [self._message(to, list(codes.items()), legend, reset=False)]

    async def _coloured(self, moved: dict[int, Change]) -> tuple[dict[int, int], list[MapGroup]]:
        """The codes of children that changed, and what they stand for where that differs from message to message."""
        colours = self.plane.colours
        if self.ask.by == "status":
            return {job_id: change.status for job_id, change in moved.items()}, []
        if self.ask.by == "duration":
            self._told.update((job_id, change.seq) for job_id, change in moved.items() if change.seq != UNKNOWN)
            return await colours.durations(moved), []
        failures = await colours.failures(moved)
        found = {failure for failure in failures.values() if failure}
        groups = (await colours.groups(self._root_id, found))[: OTHER - 1] if found else []
        legend = [MapGroup(n, group.fingerprint, group.message, group.count) for n, group in enumerate(groups, 1)]
        numbers = {group.fingerprint: group.code for group in legend}
        return {
            job_id: 0 if failure is None else numbers.get(failure, OTHER) for job_id, failure in failures.items()
        }, legend

    async def _grown_further(self) -> dict[int, int]:
        """Codes that have grown since they were told, of children about which nothing newer was told."""
        self._looks = False
        head, codes = await self.plane.colours.growing(self._job_id)
        self._told = {job_id: seq for job_id, seq in self._told.items() if seq > head}
        before, self._grown = self._grown, codes
        return {
            job_id: code
            for job_id, code in codes.items()
            if before.get(job_id) != code and job_id <= self._last_child and job_id not in self._told
        }

    async def _take_new(self) -> None:
        """Children made since the last one taken, in order of id, behind whatever else is to be told."""
        self._has_new = False
        try:
            new = await self.plane.store.children_after(self._job_id, self._last_child, limit=MOST_NEW)
        except StoreUnavailable:
            self._has_new = True
            raise
        for job_id, status in new:
            self._changed.pop(job_id, None)
            self._changed[job_id] = Change(UNKNOWN, job_id, None, status)
            if status != PENDING and self.ask.by == "duration":
                self._told[job_id] = self._to  # how it stands is at least as new as that
            self._last_child = job_id
        if len(new) == MOST_NEW:
            self._has_new = True
            self.outlet.due(self, MAP, 0)

    def _message(self, to: int, changes: list[tuple[int, int]], legend: Sequence[MapGroup] = (), *, reset: bool) -> str:
        cursor = json_of(Cursor(self.plane.store.incarnation, self._root_id, to).token)
        parts = f'"to":{cursor},"cursor":{cursor},"by":"{self.ask.by}","changes":{json_of(changes)}'
        if legend:
            parts += f',"legend":{json_of(legend)}'
        if reset:
            parts += ',"reset":true'
        return envelope(MAP, f"{{{self._head},{parts}}}")

    def close(self) -> None:
        """Watch nothing any more."""
        for task in self._tasks:
            task.cancel()
        self.plane.interest.unwatch(self, [self._job_id])
