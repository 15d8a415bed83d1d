"""Lanes and limits of one transaction: where ready jobs queue, and how many may be in use at once."""

from collections import defaultdict
from collections.abc import Container, Iterable, Set
from typing import Any

from quaero.domain.facts import Limit
from quaero.domain.job import Job
from quaero.storage.connection import Connection
from quaero.storage.jobmap import Differences
from quaero.storage.locks import Locks
from quaero.storage.resting import Resting
from quaero.storage.rotation import Passed, Rotation
from quaero.storage.sharing import ROOTS, Share, tree_of


def step_limit_key(step_id: int) -> str:
    """The key of the limit that stands for a step's `limit`."""
    return f"step:{step_id}"


class Lanes:
    """Finds or makes lanes and limits; moves their counts when the ledger is flushed."""

    def __init__(self, db: Connection, now: int, locks: Locks, new_jobs: Container[int], rotation: Rotation) -> None:
        self._db = db
        self._locks = locks
        self.resting = Resting(db, now, locks, rotation)
        self._rotation = rotation
        self._passed = Passed(db)
        self._now = now
        self._new_jobs = new_jobs
        self._lanes: dict[tuple[Any, ...], int] = {}
        self._new_lanes: dict[int, tuple[Any, ...]] = {}
        self._limits: dict[str, int] = {}
        self._step_limits: dict[int, int | None] = {}
        self.served: dict[int, tuple[int, int, int]] = {}
        self.ready: dict[int, int] = defaultdict(int)
        self.uses: dict[int, int] = defaultdict(int)
        self._taken: set[int] = set()
        self.has_grown = False  # more is ready, or may be taken, than before

    def lane(self, job: Job) -> int:
        """The lane this job queues in, made if new. A lane's id is the id of the first job that needed it.

        All roots of a kind and priority share one (its root is 0): a tree of one job costs no lane of its own.
        """
        tree = job.root_id if job.parent_id is not None else ROOTS
        key = (job.priority, job.kind, tree, job.step_id, job.limit_id, job.step_limit_id)
        lane_id = self._lanes.get(key)
        if lane_id is None:
            lane_id = None if tree in self._new_jobs else self._stored_lane(key)
            if lane_id is None:
                lane_id = job.id
                self._new_lanes[lane_id] = key
            self._lanes[key] = lane_id
        return lane_id

    def _stored_lane(self, key: tuple[Any, ...]) -> int | None:
        priority, kind, tree, step_id, limit_id, step_limit_id = key
        under, limit = ("limit_id is null", ()) if limit_id is None else ("limit_id = ?", (limit_id,))
        found = self._db.rows(
            f"select id from lane where root_id = ? and {under} and priority = ? and kind = ?"
            " and coalesce(step_id, 0) = ? and coalesce(step_limit_id, 0) = ?",
            (tree, *limit, priority, kind, step_id or 0, step_limit_id or 0),
        )
        return found[0][0] if found else None

    def only_for(self, root_id: int | None) -> None:
        """Jobs are claimed here for this tree only; None: for any."""
        self._rotation.only_tree = root_id

    def serve(self, shares: Iterable[Share]) -> None:
        """These lanes had their turn; one that was emptied has no place until it queues again."""
        latest: dict[int, int] = {}
        for share in shares:
            if share.turn >= latest.get(share.priority, 0):
                latest[share.priority] = share.turn
            if not share.is_whole:
                self.served[share.lane] = (share.tree, share.priority, share.turn + 1)
        for priority, turn in latest.items():
            self._passed.move(priority, turn)

    def limit_id(self, limit: Limit) -> int:
        """The id of a limit, made or updated to these bounds."""
        known = self._limits.get(limit.key)
        if known is None:
            known = self._limits[limit.key] = self._stored_limit(limit)
        return known

    def _stored_limit(self, limit: Limit) -> int:
        bounds = (limit.at_once, limit.apart)
        sql = "select id, at_once, apart from limits where key = ?" + self._db.dialect.pinned
        found = self._db.rows(sql, (limit.key,))
        if found and found[0][1:] == bounds:
            return int(found[0][0])
        ((made,),) = self._db.rows(
            "insert into limits(key, at_once, apart) values(?, ?, ?) on conflict(key) do update set"
            " at_once = excluded.at_once, apart = excluded.apart returning id",
            (limit.key, *bounds),
        )
        self.resting.look_at((made,))  # it may have more room than it had
        return int(made)

    def limit_of_step(self, step_id: int) -> int | None:
        """The limit row of a step's `limit`, if it has one."""
        if step_id not in self._step_limits:
            found = self._db.rows("select id from limits where key = ?", (step_limit_key(step_id),))
            self._step_limits[step_id] = found[0][0] if found else None
        return self._step_limits[step_id]

    @property
    def waiting(self) -> bool:
        """Whether lanes had their turn, rest or were woken, and are not stored."""
        return bool(self.served) or self.resting.waiting

    def move(self, moved: Differences) -> None:
        """Store new lanes; gather what moves in those that are there, and how the use of limits moves."""
        grown = any(n > 0 for n in moved.lanes.values()) or any(n < 0 for n in moved.uses.values())
        self.has_grown = self.has_grown or grown
        self._save_new(moved.lanes)
        for lane_id, n in moved.lanes.items():
            self.ready[lane_id] += n
        for limit, n in moved.uses.items():
            self.uses[limit] += n
        self._taken |= moved.taken
        self.resting.look_at(moved.eased)

    @property
    def loose(self) -> set[int]:
        """Lanes that are not stored as they are: something may be ready in them that is not found there."""
        return self.resting.woken.union(self.ready) - self.resting.put_to_rest

    def with_gathered(self, lanes: list[Any]) -> list[Any]:
        """Lanes (id, priority, ready, ..., turn) as they will be, those with anything ready, each once."""
        every = {lane[0]: lane for lane in lanes}
        moved = [(*lane[:2], lane[2] + self.ready.get(lane[0], 0), *lane[3:]) for lane in every.values()]
        return sorted((lane for lane in moved if lane[2] > 0), key=lambda lane: (-lane[1], lane[-1]))

    def settle(self) -> None:
        """Store what was gathered: rows that every writer's commit moves, in order of id, limits before lanes."""
        self._save_uses()
        self._save_ready()
        self.resting.settle()
        self.has_grown = self.has_grown or self.resting.has_woken
        self._passed.save()

    def _save_new(self, lanes: dict[int, int]) -> None:
        place = self._rotation.place
        passed = self._passed.at
        if self._new_lanes:
            self._db.run_many(
                "insert into lane(id, priority, kind, root_id, step_id, limit_id, step_limit_id, n_ready, turn)"
                " values(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        lane_id,
                        *key,
                        lanes.pop(lane_id, 0),
                        passed(key[0])
                        if key[2] in self._new_jobs
                        else place(tree_of(key[2], lane_id), key[0], passed(key[0])),
                    )
                    for lane_id, key in self._new_lanes.items()
                ],
            )
            self._new_lanes = {}

    def _save_ready(self) -> None:
        moved = [(n, lane_id) for lane_id, n in sorted(self.ready.items()) if n]
        self._queue_again({lane_id for n, lane_id in moved if n > 0}, self.served.keys() | {i for _, i in moved})
        self.ready.clear()
        if moved:
            self._db.run_many("update lane set n_ready = n_ready + ? where id = ?", moved)
        if self.served:
            turns = [(self._rotation.place(*behind), lane_id) for lane_id, behind in sorted(self.served.items())]
            self._db.run_many("update lane set turn = ? where id = ?", turns)
            self.served = {}

    def _queue_again(self, growing: set[int], every: Set[int]) -> None:
        """Give a place to those of these lanes in which nothing was ready. `every` lane that moves is held first."""
        looked_at = every if self._locks.are_shared and len(every) > 1 else growing
        if not looked_at:
            return
        turns = [
            (self._rotation.place(tree_of(root, lane_id), priority, self._passed.at(priority)), lane_id)
            for lane_id, root, priority, n_ready in self._locks.lanes("id, root_id, priority, n_ready", looked_at)
            if not n_ready and lane_id in growing
        ]
        if turns:
            self._db.run_many("update lane set turn = ?, rests_on = null where id = ?", turns)

    def _save_uses(self) -> None:
        """Move the limits' use; one under which a job was taken and that keeps them apart is closed for a while."""
        now, taken, due = self._now, self._taken, self.resting.due
        moved = {i: n for i, n in self.uses.items() if n or i in taken} | {i: self.uses.get(i, 0) for i in due}
        self.uses.clear()
        self._taken = set()
        if concerned := self.resting.limits.union(moved):
            self._locks.hold_limits(concerned)
        if moved:
            self._db.run_many(
                "update limits set in_use = in_use + ?,"
                " next_at = case when apart > 0 and ? then ? + apart when next_at <= ? then 0 else next_at end"
                " where id = ?",
                [(n, i in taken, now, now, i) for i, n in sorted(moved.items())],
            )
