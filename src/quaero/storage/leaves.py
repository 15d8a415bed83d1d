"""The short ways of what nearly every job goes through: it is reserved, and a leaf ends as if it had only begun.

Each is one statement (or one prepared statement over many rows) that names only the columns that change, and moves the
counts for all its jobs at once. The records in the identity map stay true, so the long ways may follow.
"""

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

from quaero.domain.job import MOVING, STATIC, Job
from quaero.domain.status import COMPLETED, PENDING, JobStatus
from quaero.storage.connection import Connection, Row
from quaero.storage.jobmap import JobMap
from quaero.storage.locks import CLAIM, Locks
from quaero.storage.memory import Memory
from quaero.storage.port import Siblings

# a job that was never reserved before has nothing but its birth, so nothing else is read
_BIRTH = (*STATIC, "0", "0", "run_at", "0", "null", "epoch")  # up to there the fields of a Job, in order
_PAST = ("version", "has_dependents", "first_seq + losses + round - 1 + is_branch")
BIRTH_SQL = ", ".join((*_BIRTH, *_PAST))
TAKEN_SQL = ", ".join((*STATIC, "0", "0", "run_at", "0", "owner", "epoch", *_PAST))  # the same once it is taken
assert MOVING[:6] == ("status", "ready", "run_at", "blocked_by", "owner", "epoch")

_SHARED = [name for name in (*STATIC, "ready", "run_at") if name not in ("id", "payload")]

_COMPLETE = (
    f"update job set status = {int(COMPLETED)}, attempt = 1, sealed = 1, owner = null, version = ?, started_at = ?,"
    " finished_at = ?, lines = ?, first_seq = ?, last_seq = ?, result = ?, journal_head = ? where id = ?"
)
_END = (
    "update job set status = ?, sealed = 1, ready = 0, reason = ?, finished_at = ?, version = version + 1,"
    " first_seq = ?, last_seq = ?, lines = ? where id = ?"
)
_END_RUN = (
    "update job set status = ?, sealed = 1, ready = 0, reason = ?, finished_at = ?, version = version + 1,"
    " first_seq = id + ?, last_seq = id + ?, lines = ? where id between ? and ?"
)
_LONG = 8  # jobs in a run of ids from which on they are ended by one statement
_completed_values = attrgetter(
    "version", "started_at", "finished_at", "lines", "first_seq", "last_seq", "result", "journal_head", "id"
)
_WAS_COMPLETED = (int(COMPLETED), 0, None)


class LeafMap(JobMap):
    """A job map that knows the short ways."""

    def __init__(self, db: Connection, locks: Locks, memory: Memory, is_alone: bool) -> None:
        super().__init__(db, locks, memory, is_alone)
        self._completed: list[Job] = []
        self._has_claimed = False

    def add_alike(self, sample: Job, payloads: Sequence[bytes]) -> None:
        """Keep new jobs, numbered from the id of `sample` on, that differ from it in their payload only."""
        own = ("id", "root_id") if sample.parent_id is None else ("id",)
        shared = {name: value for name in _SHARED if name not in own and (value := getattr(sample, name)) is not None}
        self.db.insert_numbered("job", own, sample.id, "payload", payloads, shared)
        self._moved.counts[PENDING] += len(payloads)
        self._moved.lanes[sample.lane_id] += len(payloads) * sample.ready
        self._moved.eased.update(filter(None, (sample.limit_id, sample.step_limit_id)))

    def adopt_ready(self, rows: list[Row]) -> list[Job]:
        """Ready jobs of rows of `BIRTH_SQL`; those that have a past are loaded with it."""
        known, was = self._jobs, self._was
        width = len(_BIRTH)
        before = (int(PENDING), 1, None)
        experienced = {row[0] for row in rows if row[-1]}
        self.load(experienced)
        jobs = []
        for row in rows:
            job = known.get(row[0])
            if job is None:
                job = Job(*row[:width])
                job.ready, job.version, job.has_dependents = 1, row[width], row[width + 1]
                known[job.id] = job
                was[job.id] = before
            jobs.append(job)
        return jobs

    def take(self, jobs: Sequence[Job], owner: int) -> None:
        """Give ready jobs, as they are stored, to a worker, each under a new epoch."""
        if not jobs:
            return
        for job in jobs:
            _give(job, owner)
        self._taken(jobs, owner)
        self.db.run(f"{CLAIM} where {self.db.member('id')}", (owner, self.db.array([job.id for job in jobs])))

    def find_and_take(self, where: str, params: Sequence[Any], owner: int) -> list[Job]:
        """Give the ready jobs that match, and that nobody else holds, to a worker, in one statement."""
        known = self._jobs
        width = len(_BIRTH)
        rows = self.locks.taken(TAKEN_SQL, where, params, owner)
        jobs = []
        experienced = [row[0] for row in rows if row[-1] and row[0] not in known]
        loaded = self.load(experienced) if experienced else {}
        for row in rows:
            job = loaded.get(row[0])
            if job is None and (job := known.get(row[0])) is not None:
                _give(job, owner)
            elif job is None:
                job = known[row[0]] = Job(*row[:width])
                job.version, job.has_dependents = row[width], row[width + 1]
            jobs.append(job)
        self._taken(jobs, owner)
        return jobs

    def _taken(self, jobs: Sequence[Job], owner: int) -> None:
        """What other rows must learn of jobs that were ready and are a worker's now."""
        was, moved = self._was, self._moved
        lanes = moved.lanes
        now = (int(PENDING), 0, owner)
        for job in jobs:
            was[job.id] = now
            lanes[job.lane_id] -= 1
            if job.limit_id or job.step_limit_id:
                limits = [limit for limit in (job.limit_id, job.step_limit_id) if limit]
                moved.taken.update(limits)
                for limit in limits:
                    moved.uses[limit] += 1
        self._has_claimed = self._has_claimed or bool(jobs)

    def complete(self, jobs: Sequence[Job]) -> None:
        """Save leaves that went from reserved to completed; their records say so already."""
        was, moved = self._was, self._moved
        for job in jobs:
            job.version += 1
            was[job.id] = _WAS_COMPLETED
            if (waited := job.started_at - (job.run_at or job.created_at)) >= 0:
                moved.waits.append(waited)
            if job.limit_id or job.step_limit_id:
                for limit in filter(None, (job.limit_id, job.step_limit_id)):
                    moved.uses[limit] -= 1
                    moved.eased.add(limit)
        self._completed += jobs
        moved.counts[PENDING] -= len(jobs)
        moved.counts[COMPLETED] += len(jobs)
        moved.closed += len(jobs)

    def end_unread(self, siblings: Siblings, status: JobStatus, reason: str | None, now: int, first_seq: int) -> None:
        """Save the end of jobs that had not begun and are not loaded, with one entry each from `first_seq` on."""
        n = len(siblings.ids)
        lines = int(siblings.step_id is None)
        single: list[tuple[Any, ...]] = []
        seq = first_seq
        for first, last in _runs(siblings.ids):
            if last - first < _LONG:
                single += [
                    (int(status), reason, now, s, s, lines, i) for s, i in enumerate(range(first, last + 1), seq)
                ]
            else:
                ahead = seq - first
                self.db.run(_END_RUN, (int(status), reason, now, ahead, ahead, lines, first, last))
            seq += last - first + 1
        self.db.run_many(_END, single)
        moved = self._moved
        moved.lanes[siblings.lane_id] -= n
        moved.eased.update(siblings.limits)
        moved.counts[PENDING] -= n
        moved.counts[status] += n
        moved.closed += n

    @property
    def has_short_ways_to_save(self) -> bool:
        """Whether counts moved, or rows wait, because of the short ways."""
        return self._has_claimed or bool(self._completed)

    def save_short_ways(self) -> None:
        """Write what was completed; its counts are saved with all others."""
        if self._completed:
            self.db.run_many(_COMPLETE, map(_completed_values, self._completed))
        self._completed = []
        self._has_claimed = False


def _runs(ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ascending ids as runs without a gap: (first, last)."""
    first = last = ids[0]
    if ids[-1] - first == len(ids) - 1:  # what was spawned together, mostly
        yield first, ids[-1]
        return
    for job_id in ids[1:]:
        if job_id != last + 1:
            yield first, last
            first = job_id
        last = job_id
    yield first, last


def _give(job: Job, owner: int) -> None:
    """What the statement does to the row."""
    job.ready = 0
    job.owner = owner
    job.epoch += 1
    job.version += 1
