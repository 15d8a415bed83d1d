"""The run map, live: the status of every child that changed since a map was fetched, a flush at a time.

A map holds at a cursor. What changed after it is in the tree's journal, read once for all who watch the tree; children
that were spawned after it are found by their ids, which only grow. Codes are absolute: a repeat does no harm.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from quaero.domain.cursor import Cursor, parse_cursor
from quaero.domain.errors import StoreUnavailable
from quaero.domain.job import Job
from quaero.gateway.finding import find_job
from quaero.gateway.interest import Row
from quaero.gateway.stateplane import StatePlane
from quaero.gateway.subscription import Key, Outlet, Subscription
from quaero.gateway.topics import Subscribe, envelope, json_of
from quaero.storage.port import EntryFilter

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
        self._changed: dict[int, int] = {}
        self._to = self._told_to = 0
        self._last_child = 0
        self._must_reset = False
        self._has_new = True
        self._pump: asyncio.Task[None] | None = None

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
        self._pump = asyncio.create_task(self._keep_reading(after))
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
        if before is None or before.tally.total != row.job.tally.total:
            self._has_new = True
            self.outlet.due(self, MAP, 0)

    def gone(self, job_id: int) -> None:
        """The parent is no more: nothing will change."""

    async def _keep_reading(self, after: int) -> None:
        try:
            async with aclosing(self.plane.feed.changes(self._root_id, after=after)) as changes:
                async for some in changes:
                    await self._take([(change.job_id, change.status) for change in some.changes], some.to)
        except Exception as error:
            self.outlet.fail(self, error)

    async def _take(self, changes: list[tuple[int, int]], to: int) -> None:
        await self.plane.feed.kin.learn({job_id for job_id, _ in changes})
        parent = self.plane.feed.kin.parent
        self._changed.update((job_id, code) for job_id, code in changes if parent(job_id) == self._job_id)
        self._to = to
        if len(self._changed) > MOST_CHANGES:
            self._changed.clear()
            self._must_reset = True
        if changes:
            self.outlet.due(self, MAP, 0)

    # --- asked by the connection

    async def frames(self, keys: Sequence[Key]) -> list[str]:
        """One message with everything that changed."""
        new = await self._new_children() if self._has_new else []
        changed, self._changed = self._changed, {}
        to = self._to
        if self._must_reset:
            self._must_reset = False
            return [self._message(to, [], reset=True)]
        told = dict(new)
        told.update((job_id, code) for job_id, code in changed.items() if job_id <= self._last_child)
        if not told and to == self._told_to:
            return []
        self._told_to = to
        return [self._message(to, list(told.items()), reset=False)]

    async def _new_children(self) -> list[tuple[int, int]]:
        """Children made since the last one told, in order of id."""
        self._has_new = False
        try:
            new = await self.plane.store.children_after(self._job_id, self._last_child, limit=MOST_NEW)
        except StoreUnavailable:
            self._has_new = True
            raise
        if new:
            self._last_child = new[-1][0]
        if len(new) == MOST_NEW:
            self._has_new = True
            self.outlet.due(self, MAP, 0)
        return new

    def _message(self, to: int, changes: list[tuple[int, int]], *, reset: bool) -> str:
        cursor = json_of(Cursor(self.plane.store.incarnation, self._root_id, to).token)
        parts = f'"to":{cursor},"cursor":{cursor},"changes":{json_of(changes)}' + (',"reset":true' if reset else "")
        return envelope(MAP, f"{{{self._head},{parts}}}")

    def close(self) -> None:
        """Watch nothing any more."""
        if self._pump is not None:
            self._pump.cancel()
        self.plane.interest.unwatch(self, [self._job_id])
