"""How a transaction holds job rows while others write beside it: in one order, or without waiting.

A transaction may wait for a row only in this order: leaf rows first, then all others from the highest id down (a
child's id is above its parent's, so roots come last), then limits, then lanes, both from the lowest id up. Two that
keep to it never wait for each other.
Scripts load what they need when they find out that they need it, so they cannot always keep to it. Once a transaction
holds a row that is not a leaf, it therefore takes further rows only if they are free, and so with limits (see
`limitlocks`). If one is not, `Contended` says which: the transaction is rolled back and run again, holding those from
the start, in the order above.

A root's row is what a tree's writers queue at. Reserving does not need it, only that nobody cancels meanwhile: it holds
the key (`for key share`), which changes of the row leave alone and which whoever lists a cancellation waits for.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from quaero.domain.job import Job
from quaero.storage.connection import Connection, Row
from quaero.storage.jobmap import LEAF, LEAF_SQL
from quaero.storage.locks import CLAIM
from quaero.storage.postgres.footprint import Contended, Footprint
from quaero.storage.postgres.limitlocks import LimitLocks

_IS_BRANCH = LEAF.index("is_branch")
_ROOT = LEAF.index("root_id")
_PARENT = LEAF.index("parent_id")
_STEP = LEAF.index("step_id")

_ABOVE = """
with recursive up(id, parent_id) as (
  select id, parent_id from job where id = any(?)
  union select job.id, job.parent_id from up join job on job.id = up.parent_id)
select id from up"""


_LIMIT, _FREE, _STEP_LIMIT, _STEP_FREE = 3, 4, 6, 7  # places in a lane, see `storage/sharing.py`


class RowLocks:
    """Implements `storage.locks.Locks` for one transaction."""

    are_shared = True

    def __init__(self, db: Connection, footprint: Footprint) -> None:
        self._db = db
        self._must_not_wait = False
        self._alone: set[int] = set()
        self._limits = LimitLocks(db, footprint.limits)
        if footprint.jobs or footprint.alone:
            self._take(footprint)

    def _take(self, footprint: Footprint) -> None:
        ids = footprint.jobs - footprint.alone
        self._db.rows(
            "select id from job where id = any(?) order by is_branch, id desc for no key update", (self._db.array(ids),)
        )
        self._db.rows(
            "select id from job where id = any(?) order by id desc for update", (self._db.array(footprint.alone),)
        )
        self._alone = set(footprint.alone)
        self._must_not_wait = True

    def jobs(self, columns: str, ids: Iterable[int]) -> list[Row]:
        """These jobs' rows. If some are not leaves, everything above all of them comes along: it is needed next."""
        wanted = set(ids)
        if self._must_not_wait:
            return self._at_once(columns, wanted)
        found = self._db.rows(
            f"select {columns} from job where id = any(?) and is_branch = 0 order by id desc for no key update",
            (self._db.array(wanted),),
        )
        rest = wanted.difference(row[0] for row in found)
        if rest:
            above = {
                i for row in found for i in (row[_PARENT], row[_STEP], row[_ROOT]) if i is not None and i != row[0]
            }
            chain = {row[0] for row in self._db.rows(_ABOVE, (self._db.array(rest | above),))}
            found += self._branches(columns, chain)
        return found

    def branches(self, columns: str, ids: Iterable[int]) -> list[Row]:
        """Rows above those that are held, all that are needed in one call."""
        return self._at_once(columns, set(ids)) if self._must_not_wait else self._branches(columns, set(ids))

    def _branches(self, columns: str, ids: set[int]) -> list[Row]:
        self._must_not_wait = True
        return self._db.rows(
            f"select {columns} from job where id = any(?) order by id desc for no key update", (self._db.array(ids),)
        )

    def _at_once(self, columns: str, ids: set[int]) -> list[Row]:
        found = self._db.rows(
            f"select {columns} from job where id = any(?) for no key update skip locked", (self._db.array(ids),)
        )
        missing = ids.difference(row[0] for row in found)
        if missing:
            held = self._db.rows("select id from job where id = any(?)", (self._db.array(missing),))
            if held:
                raise Contended(jobs=(row[0] for row in held))
        return found

    def versions(self, ids: Iterable[int]) -> list[Row]:
        """(id, version) of leaves that this process has reserved."""
        wanted = set(ids)
        if self._must_not_wait:
            return self._at_once("id, version", wanted)
        return self._db.rows(
            "select id, version from job where id = any(?) order by id desc for no key update",
            (self._db.array(wanted),),
        )

    def free(self, columns: str, where: str, params: Sequence[Any]) -> list[Row]:
        """Rows that match and that nobody else holds."""
        found = self._db.rows(f"select {columns} from job where {where} for no key update skip locked", params)
        is_branch = _IS_BRANCH if columns == LEAF_SQL else -1  # the last of `BIRTH_SQL` is 0 for a leaf without a past
        self._must_not_wait = self._must_not_wait or any(row[is_branch] for row in found)
        return found

    def taken(self, columns: str, where: str, params: Sequence[Any], owner: int) -> list[Row]:
        """Rows that match and that nobody else holds, given to a worker; found once, changed where they were found.

        The search is over before the first row is changed: a search that meets what another one has just taken holds
        that too, until the commit, so it must be short.
        """
        found = self._db.rows(
            f"{CLAIM} where ctid = any(array(select ctid from job where {where} for no key update skip locked))"
            f" returning {columns}",
            (owner, *params),
        )
        self._must_not_wait = self._must_not_wait or any(row[-1] for row in found)
        return found

    def above(self, jobs: Iterable[Job]) -> set[int]:
        """Ancestors beyond parent, step and root: closing a parent may close its own parent."""
        deep = {job.parent_id for job in jobs if job.depth > 2 and job.parent_id is not None}
        return {row[0] for row in self._db.rows(_ABOVE, (self._db.array(deep),))} if deep else set()

    def cancelling(self, roots: Iterable[int]) -> dict[int, str | None]:
        """What is listed on these roots; nobody can list more before the commit."""
        self._must_not_wait = True  # whoever wants a root alone waits for us, and holds what we would wait for
        ids = list(roots)
        sql = "select id, cancelling from job where id = any(?) for key share skip locked"
        return dict(self._db.rows(sql, (self._db.array(ids),)))

    def limited(self, lanes: list[Any], uses: Mapping[int, int], now: int) -> list[Any]:
        """Lanes with the room that their limits have now, less what `uses` says; nobody takes of it meanwhile."""
        ids = {i for lane in lanes for i in (lane[_LIMIT], lane[_STEP_LIMIT]) if i is not None}
        if not ids:
            return lanes
        self.hold_limits(ids.union(uses))
        room = {limit: self._limits.room(limit, uses.get(limit, 0), now) for limit in ids}
        return [lane for lane in (_with_room(lane, room) for lane in lanes) if lane is not None]

    def used_up(self, limits: Iterable[int], uses: Mapping[int, int], now: int) -> set[int]:
        """Of limits that had no room those that have none now, held; those somebody else holds are left out."""
        self._must_not_wait = True
        held = self._limits.hold_free("id = any(?)", (self._db.array(limits),))
        return {limit for limit in held if self._limits.room(limit, uses.get(limit, 0), now) <= 0}

    def due_limits(self, now: int, most: int) -> list[int]:
        """Limits that kept starts apart until a moment that has come, held; those somebody else holds are left out."""
        due = self._limits.hold_free("next_at > 0 and next_at <= ? order by next_at limit ?", (now, most))
        self._must_not_wait = self._must_not_wait or self._limits.are_held
        return due

    def hold_limits(self, limits: Iterable[int]) -> None:
        """Let nobody else change these limits, or what is ready or rests under them, until the commit."""
        self._must_not_wait = True
        self._limits.hold(limits)

    def lanes(self, columns: str, ids: Iterable[int]) -> list[Row]:
        """These lanes' rows, held in order of id."""
        sql = f"select {columns} from lane where id = any(?) order by id for no key update"
        return self._db.rows(sql, (self._db.array(sorted(ids)),))

    def alone(self, root_id: int) -> None:
        """Wait for whoever reserves in this tree, and keep others from it."""
        if root_id in self._alone:
            return
        if not self._db.rows("select 1 from job where id = ? for update skip locked", (root_id,)):
            raise Contended(alone=(root_id,))
        self._alone.add(root_id)

    def everything(self) -> None:
        """Let nobody else write until the commit."""
        self._db.run("lock table job, lane, limits, counter in share row exclusive mode")


def _with_room(lane: Any, room: Mapping[int, int]) -> Any:
    """A lane with what is free under its limits; None when nothing is."""
    fresh = list(lane)
    for limit, free in ((_LIMIT, _FREE), (_STEP_LIMIT, _STEP_FREE)):
        if lane[limit] is not None:
            fresh[free] = room.get(lane[limit], 0)
            if fresh[free] <= 0:
                return None
    return fresh
