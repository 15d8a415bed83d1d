"""The questions scripts ask beyond loading by id, over SQL. Every answer is jobs of the ledger's identity map."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from quaero.domain.job import Job
from quaero.domain.status import FAILED, JobStatus
from quaero.storage import joblists
from quaero.storage.connection import Connection, Row
from quaero.storage.jobmap import LEAF_SQL
from quaero.storage.port import JobFilter, Matches, Siblings, WorkerRow

if TYPE_CHECKING:
    from quaero.storage.ledger import SqlLedger

_BELOW = """
with recursive below(id) as (
  select cast(? as bigint) union all select job.id from job join below on job.parent_id = below.id)
"""


class SqlLookup:
    """Implements `storage.port.Lookup`."""

    def __init__(self, db: Connection, ledger: "SqlLedger") -> None:
        self._db = db
        self._ledger = ledger

    def _select(self, where: str, params: Sequence[Any]) -> list[Job]:
        """Jobs that match and that nobody else holds."""
        return self._ledger.adopt(self._ledger.locks.free(LEAF_SQL, where, params))

    def _every(self, where: str, params: Sequence[Any]) -> list[Job]:
        """All jobs that match, in order of id, whoever holds them: the caller looks again at what they are now."""
        ids = self._db.rows(f"select id from job where {where}", params)
        return [job for _, job in sorted(self._ledger.load(row[0] for row in ids).items())]

    def owned_by(self, worker_id: int, limit: int) -> list[Job]:
        """Jobs a worker holds."""
        self._ledger.flush()
        while found := self._every("owner = ? order by id limit ?", (worker_id, limit)):
            if held := [job for job in found if job.owner == worker_id]:
                return held
        return []

    def due(self, limit: int) -> list[Job]:
        """Pending jobs whose `run_at` has come."""
        self._ledger.flush()
        where = "status = 0 and ready = 0 and owner is null and blocked_by = 0 and run_at > 0 and run_at <= ? limit ?"
        return self._select(where, (self._ledger.now, limit))

    def next_due(self) -> int:
        """The earliest future moment at which something becomes ready by time alone; 0 if nothing will."""
        self._ledger.flush()
        ((due,),) = self._db.rows(
            "select min(run_at) from job"
            " where status = 0 and ready = 0 and owner is null and blocked_by = 0 and run_at > 0"
        )
        resting = self._ledger.queues.resting
        if resting.has_more_due or resting.has_woken:
            return self._ledger.now
        sql = "select min(next_at) from limits where next_at > 0 and next_at > ?"  # the first part names the index
        ((apart,),) = self._db.rows(sql, (self._ledger.now,))
        moments = [moment for moment in (due, apart) if moment]
        return min(moments, default=0)

    def children(
        self, parent_id: int, *, statuses: Iterable[JobStatus] | None = None, after: int = 0, limit: int = 1000
    ) -> list[Job]:
        """Direct children above `after`, in order of id."""
        self._ledger.flush()
        among = None if statuses is None else {int(status) for status in statuses}
        only = f" and {self._db.member('status')}" if among is not None else ""
        params: list[Any] = [parent_id, after]
        if among is not None:
            params.append(self._db.array(among))
        found = self._every(f"parent_id = ? and id > ?{only} order by id limit ?", (*params, limit))
        return [job for job in found if among is None or job.status in among]

    def open_leaves(self, top_id: int, limit: int) -> list[Job]:
        """Jobs at or below `top_id` that are pending, or running and not yet asked to stop."""
        self._ledger.flush()
        top = self._ledger.get(top_id)
        if top.is_root or top.is_step:
            found = self.held_below(top, limit)
            found += self._queued(top, limit - len(found))
            return found + self._held_back(top, limit - len(found))
        rows = self._db.rows(
            _BELOW + "select job.id from below join job on job.id = below.id"
            " where job.status = 0 or (job.status = 1 and job.cancel_requested = 0) limit ?",
            (top_id, limit),
        )
        return self._select(self._db.member("id"), (self._db.array(row[0] for row in rows),))

    def held_below(self, top: Job, limit: int) -> list[Job]:
        """What workers hold of a tree or step, as far as it was not asked to cancel yet."""
        self._ledger.flush()
        scope, value = ("root_id", top.id) if top.is_root else ("step_id", top.id)
        where = f"owner is not null and {scope} = ? and (status = 0 or cancel_requested = 0) limit ?"
        return self._select(where, (value, limit))

    def _queued(self, top: Job, limit: int) -> list[Job]:
        if top.ready and top.is_root:  # it queues with other roots
            return [top]
        only = "" if top.is_root else "step_id = ? and "
        params = (top.root_id, limit) if top.is_root else (top.root_id, top.id, limit)
        lanes = f"select id from lane where root_id = ? and {only}n_ready > 0"
        return self._select(f"lane_id in ({lanes}) and ready = 1 limit ?", params)

    def _held_back(self, top: Job, limit: int) -> list[Job]:
        """What waits for its time, or for siblings."""
        only, one = ("", ()) if top.is_root else (" and step_id = ?", (top.id,))
        where = f"root_id = ? and status = 0 and ready = 0 and owner is null{only} limit ?"
        return self._select(where, (top.root_id, *one, limit))

    def queued_below(self, top: Job, limit: int, *, children: bool) -> list[Siblings]:
        """Ready leaves without a past in the lanes of a tree or step, by lane and parent, read by their ids only."""
        self._ledger.flush()
        only, one = ("", ()) if top.is_root else (" and step_id = ?", (top.id,))
        lanes = self._db.rows(
            f"select id, step_id, limit_id, step_limit_id from lane where root_id = ? and n_ready > 0{only} limit ?",
            (top.root_id, *one, limit),
        )
        only, one = (" and parent_id = ?", (top.id,)) if children else ("", ())
        found: list[Siblings] = []
        for lane_id, step_id, *limits in lanes:
            under = tuple(limit for limit in limits if limit is not None)
            families: dict[int, list[int]] = defaultdict(list)
            rows = self._ledger.locks.free(
                "id, parent_id",
                "lane_id = ? and ready = 1 and is_branch = 0 and has_dependents = 0"
                f" and first_seq = 0{only} order by id limit ?",
                (lane_id, *one, limit),
            )
            for job_id, parent_id in self._ledger.strangers(rows):
                families[parent_id].append(job_id)
            limit -= sum(map(len, families.values()))
            found += [Siblings(top.root_id, parent, step_id, lane_id, ids, under) for parent, ids in families.items()]
            if limit <= 0:
                break
        return found

    def subtree(self, top_id: int, *, statuses: Iterable[JobStatus], limit: int) -> list[Job]:
        """Jobs at or below `top_id` in these statuses, in order of id."""
        self._ledger.flush()
        among = {int(status) for status in statuses}
        found = self._failed_below(self._ledger.get(top_id), limit) if among == {int(FAILED)} else None
        if found is None:
            sql = (
                f"{_BELOW}select job.id from below join job on job.id = below.id where {self._db.member('job.status')}"
            )
            found = self._db.rows(sql + " order by job.id limit ?", (top_id, self._db.array(among), limit))
        jobs = sorted(self._ledger.load(row[0] for row in found).items())
        return [job for _, job in jobs if job.status in among]

    def _failed_below(self, top: Job, limit: int) -> list[Row] | None:
        """Ids of what has failed in a tree or step, by their index; None for other jobs."""
        if not (top.is_root or top.is_step):
            return None
        only, one = ("", ()) if top.is_root else (" and step_id = ?", (top.id,))
        sql = f"select id from job where root_id = ? and status = {int(FAILED)}{only} order by id limit ?"
        return self._db.rows(sql, (top.root_id, *one, limit))

    def count_below(self, top_id: int, statuses: Iterable[JobStatus]) -> int:
        """How many jobs at or below `top_id` are in these statuses."""
        self._ledger.flush()
        sql = f"{_BELOW}select count(*) from below join job on job.id = below.id where {self._db.member('job.status')}"
        ((n,),) = self._db.rows(sql, (top_id, self._db.array({int(status) for status in statuses})))
        return int(n)

    def keyed(self, root_id: int, keys: Sequence[str]) -> dict[str, int]:
        """Ids of a tree's jobs by their keys."""
        self._ledger.flush()
        sql = f"select key, id from job where root_id = ? and parent_id is not null and {self._db.member('key')}"
        return dict(self._db.rows(sql, (root_id, self._db.array(keys))))

    def open_root(self, kind: str, key: str) -> int | None:
        """The non-terminal root of this kind and key."""
        self._ledger.flush()
        found = self._db.rows(
            "select id from job where kind = ? and key = ? and parent_id is null and status < 3", (kind, key)
        )
        return found[0][0] if found else None

    def dependents(self, job_id: int) -> list[int]:
        """Ids of the siblings that wait for a job."""
        return self._ledger.dependencies.dependents(job_id)

    def waits_for(self, job_id: int) -> list[int]:
        """Ids of the siblings a job waits for."""
        return self._ledger.dependencies.waits_for(job_id)

    def learn_what_wait(self, job_ids: Iterable[int]) -> None:
        """Learn in one question what these wait for."""
        self._ledger.dependencies.learn(job_ids)

    def matching(self, where: JobFilter, *, after: int, upto: int, limit: int) -> Matches:
        """Ids above `after` and not above `upto` that match, a bounded part of them."""
        self._ledger.flush()
        return joblists.matching(self._db, where, after, upto, limit)

    def lapsed(self, limit: int) -> list[WorkerRow]:
        """Workers whose lease has ended and that were not swept yet."""
        found = self._ledger.claimed(
            "select id, identity, host, pid, started_at, lease_until, state, kinds from worker"
            " where state <> 'gone' and lease_until < ? limit ?",
            (self._ledger.now, limit),
        )
        names = WorkerRow.__struct_fields__
        return [WorkerRow(**dict(zip(names, row, strict=True))) for row in found]

    def cancelling(self) -> dict[int, dict[int, str]]:
        """Every root with cancellations under way: {root: {listed job: "all" or "pending"}}."""
        lists: dict[int, dict[int, str]] = defaultdict(dict)
        for root_id, text in self._db.rows("select id, cancelling from job where cancelling is not null"):
            lists[root_id] = {int(job_id): mode for job_id, mode in json.loads(text).items()}
        return lists
