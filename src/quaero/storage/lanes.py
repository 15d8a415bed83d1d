"""Lanes and limits of one transaction: where ready jobs queue, and how many may be in use at once."""

from collections.abc import Container
from typing import Any

from quaero.domain.facts import Limit
from quaero.domain.job import Job
from quaero.storage.connection import Connection


def step_limit_key(step_id: int) -> str:
    """The key of the limit that stands for a step's `limit`."""
    return f"step:{step_id}"


class Lanes:
    """Finds or makes lanes and limits; moves their counts when the ledger is flushed."""

    def __init__(self, db: Connection, now: int, new_jobs: Container[int]) -> None:
        self._db = db
        self._now = now
        self._new_jobs = new_jobs
        self._lanes: dict[tuple[Any, ...], int] = {}
        self._new_lanes: dict[int, tuple[Any, ...]] = {}
        self._limits: dict[str, int] = {}
        self._step_limits: dict[int, int | None] = {}
        self.served: set[int] = set()

    def lane(self, job: Job) -> int:
        """The lane this job queues in, made if new. A lane's id is the id of the first job that needed it."""
        key = (job.priority, job.kind, job.root_id, job.step_id, job.limit_id, job.step_limit_id)
        lane_id = self._lanes.get(key)
        if lane_id is None:
            lane_id = None if job.root_id in self._new_jobs else self._stored_lane(key)
            if lane_id is None:
                lane_id = job.id
                self._new_lanes[lane_id] = key
            self._lanes[key] = lane_id
        return lane_id

    def _stored_lane(self, key: tuple[Any, ...]) -> int | None:
        found = self._db.rows(
            "select id from lane where root_id = ? and priority = ? and kind = ? and coalesce(step_id, 0) = ?"
            " and coalesce(limit_id, 0) = ? and coalesce(step_limit_id, 0) = ?",
            (key[2], key[0], key[1], key[3] or 0, key[4] or 0, key[5] or 0),
        )
        return found[0][0] if found else None

    def serve(self, lane_id: int) -> None:
        """This lane had its turn."""
        self.served.add(lane_id)

    def limit_id(self, limit: Limit) -> int:
        """The id of a limit, made or updated to these bounds."""
        known = self._limits.get(limit.key)
        if known is None:
            ((known,),) = self._db.rows(
                "insert into limits(key, at_once, apart) values(?, ?, ?) on conflict(key) do update set"
                " at_once = excluded.at_once, apart = excluded.apart returning id",
                (limit.key, limit.at_once, limit.apart),
            )
            self._limits[limit.key] = known
        return int(known)

    def limit_of_step(self, step_id: int) -> int | None:
        """The limit row of a step's `limit`, if it has one."""
        if step_id not in self._step_limits:
            found = self._db.rows("select id from limits where key = ?", (step_limit_key(step_id),))
            self._step_limits[step_id] = found[0][0] if found else None
        return self._step_limits[step_id]

    def save_lanes(self, lanes: dict[int, int]) -> None:
        """Store new lanes and move ready counts."""
        new = self._new_lanes
        if new:
            self._db.run_many(
                "insert into lane(id, priority, kind, root_id, step_id, limit_id, step_limit_id, n_ready, turn)"
                " values(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(lane_id, *key, lanes.pop(lane_id, 0), self._now) for lane_id, key in new.items()],
            )
            self._new_lanes = {}
        moved = [(n, lane_id) for lane_id, n in lanes.items() if n]
        if moved:
            self._db.run_many("update lane set n_ready = n_ready + ? where id = ?", moved)
        if self.served:
            self._db.run_many("update lane set turn = ? where id = ?", [(self._now, i) for i in self.served])
            self.served = set()

    def save_uses(self, uses: dict[int, int], taken: set[int]) -> None:
        """Move the limits' use; one under which a job was `taken` and that keeps them apart is closed for a while."""
        moved = [(n, i in taken, self._now, i) for i, n in uses.items() if n or i in taken]
        if moved:
            self._db.run_many(
                "update limits set in_use = in_use + ?,"
                " next_at = case when apart > 0 and ? then ? + apart else next_at end"
                " where id = ?",
                moved,
            )
