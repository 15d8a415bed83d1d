"""The jobs of one transaction: an identity map over their rows, and the statements that load and save them.

A leaf's row is loaded and saved without the columns that only a job with others below it uses. What nearly every job
goes through has shorter ways, in `storage/leaves.py`.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from quaero.domain.job import BRANCH, MOVING, NO_TALLIES, STATIC, Job
from quaero.domain.status import WORDS
from quaero.storage.connection import Connection, Row
from quaero.storage.locks import Locks
from quaero.storage.memory import Memory
from quaero.storage.port import Siblings

LEAF = STATIC + MOVING
TALLIES = tuple(f"{scope}_{word}" for scope in "nb" for word in WORDS)
LEAF_SQL = ", ".join(LEAF)
BRANCH_SQL = ", ".join(BRANCH + TALLIES)
_NEWBORN = (*STATIC, "status", "ready", "run_at", "blocked_by")

_INSERT_LEAF = f"insert into job({', '.join(_NEWBORN)}) values({', '.join('?' * len(_NEWBORN))})"
_UPDATE_LEAF = f"update job set {', '.join(f'{c}=?' for c in MOVING)} where id=?"
_UPDATE_BRANCH = f"update job set {', '.join(f'{c}=?' for c in MOVING + BRANCH + TALLIES)} where id=?"
_newborn_values = attrgetter(*_NEWBORN)
_leaf_values = attrgetter(*MOVING, "id")
_moving_values = attrgetter(*MOVING, *BRANCH)
_before = attrgetter("status", "ready", "owner")


@dataclass(slots=True)
class Differences:
    """Ready jobs by lane, jobs in use by limit, all jobs by status, how many became terminal, how long each waited.

    `taken` are the limits under which a job was reserved, even if as many were given back; `eased` those under which
    one was given back, or became ready, or ceased to be.
    """

    lanes: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    uses: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    taken: set[int] = field(default_factory=set)
    eased: set[int] = field(default_factory=set)
    counts: list[int] = field(default_factory=lambda: [0] * 6)
    closed: int = 0
    waits: list[int] = field(default_factory=list)


class JobMap:
    """Loads, keeps and saves the jobs of one transaction."""

    def __init__(self, db: Connection, locks: Locks, memory: Memory, is_alone: bool) -> None:
        self.db = db
        self.locks = locks
        self._memory = memory
        if not is_alone:
            memory.doubt()
        self._jobs: dict[int, Job] = {}
        self._was: dict[int, tuple[int, int, int | None]] = {}
        self._new: dict[int, Job] = {}
        self._touched: dict[int, Job] = {}
        self._moved = Differences()
        self._above: dict[tuple[Any, ...], list[tuple[list[int], int]]] = {}

    def new_ids(self, n: int) -> int:
        """The first of `n` consecutive ids."""
        return self.db.new_ids(n)

    def load(self, ids: Iterable[int]) -> dict[int, Job]:
        """The jobs of these ids, identity-mapped; unknown ids are left out."""
        known = self._jobs
        wanted = set(ids)
        missing = wanted.difference(known)
        missing.difference_update(self._recall(missing))
        if missing:
            self.adopt(self.locks.jobs(LEAF_SQL, missing))
        return {i: known[i] for i in wanted if i in known}

    def _recall(self, ids: set[int]) -> set[int]:
        """Take back from memory what is stored as it is remembered; which of these jobs that are."""
        found = self._memory.take_sure(ids)
        if doubtful := self._memory.take_doubtful(ids):
            versions: dict[int, int] = dict(self.locks.versions(doubtful))
            found.update({i: job for i, job in doubtful.items() if job.version == versions.get(i)})
        self._jobs.update(found)
        self._was.update({i: _before(job) for i, job in found.items()})
        return set(found)

    def load_above(self, jobs: Iterable[Job]) -> None:
        """Load, in one go, the rows that changes of these jobs may reach: parents, steps, roots."""
        held = list(jobs)
        ids = {i for job in held for i in (job.parent_id, job.step_id, job.root_id) if i is not None}
        missing = (ids | self.locks.above(held)).difference(self._jobs)
        if missing:
            self.adopt(self.locks.branches(LEAF_SQL, missing))

    def remember(self) -> None:
        """After the commit: keep the leaves that are reserved, for they come back in one of the next transactions."""
        self._memory.keep([job for job in self._jobs.values() if job.owner is not None and not job.is_branch])

    def adopt(self, rows: list[Row]) -> list[Job]:
        """Jobs of rows of `LEAF_SQL`; what is already loaded keeps its changes."""
        jobs, branches = [], []
        known, was, memory = self._jobs, self._was, self._memory
        for row in rows:
            job = known.get(row[0])
            if job is None:
                job = Job(*row)
                memory.forget(job.id)
                known[job.id] = job
                was[job.id] = _before(job)
                if job.is_branch:
                    branches.append(job.id)
            jobs.append(job)
        if branches:
            self._load_branches(branches)
        return jobs

    def _load_branches(self, ids: list[int]) -> None:
        sql = f"select id, {BRANCH_SQL} from job where {self.db.member('id')}"
        width = len(BRANCH) + 1
        for row in self.db.rows(sql, (self.db.array(ids),)):
            job = self._jobs[row[0]]
            for name, value in zip(BRANCH, row[1:width], strict=True):
                setattr(job, name, value)
            job.tallies = list(row[width:])

    def strangers(self, rows: Iterable[Row]) -> list[Row]:
        """Rows that begin with the id of a job whose record this transaction does not have."""
        known = self._jobs
        return [row for row in rows if row[0] not in known]

    def get(self, job_id: int) -> Job:
        """One job that must exist."""
        job = self._jobs.get(job_id)
        return job if job is not None else self.load((job_id,))[job_id]

    def guarded(self, pairs: Iterable[tuple[int, int]], owner: int) -> dict[int, Job]:
        """The fence: only jobs that `owner` holds under exactly the epoch given."""
        wanted = set(pairs)  # a job may be named under two epochs, one of them stale
        loaded = self.load([job_id for job_id, _ in wanted])
        return {i: job for i, job in loaded.items() if job.owner == owner and (i, job.epoch) in wanted}

    def add(self, job: Job) -> None:
        """Keep a new job."""
        self._jobs[job.id] = self._new[job.id] = job
        self._was[job.id] = (-1, 0, None)

    def touch(self, job: Job) -> None:
        """Save this job at the flush; its version moves with each flush that saves it."""
        if job.id not in self._touched:
            self._touched[job.id] = job
            job.version += 1

    def above(self, job: Job | Siblings) -> list[tuple[list[int], int]]:
        """The tallies a change of this job moves, as (counts, offset): its parent's, its step's and its root's.

        Direct counts start at 0, those of everything below at 6. Steps count in their parent's direct counts only.
        """
        key = (job.parent_id, job.step_id, job.root_id, job.is_step)
        known = self._above.get(key)
        if known is None:
            known = self._above[key] = self._find_above(job)
        return known

    def _find_above(self, job: Job | Siblings) -> list[tuple[list[int], int]]:
        """Touched once for each flush: whoever asks is about to move them."""
        if job.parent_id is None:
            return []
        places = [(self.get(job.parent_id), 0)]
        if not job.is_step:
            places += [(self.get(i), 6) for i in (job.step_id, job.root_id) if i is not None]
        for row, _ in places:
            row.become_branch()
            self.touch(row)
        return [(row.tallies, offset) for row, offset in places]

    def forget(self) -> None:
        """Let go of all jobs: the transaction is over."""
        self._jobs, self._was, self._new, self._touched, self._above = {}, {}, {}, {}, {}

    def discount(self, status: int, n: int) -> None:
        """Take `n` jobs of this status, which are being removed, out of the global counts."""
        self._moved.counts[status] -= n

    def _insert_new(self) -> None:
        new = self._new
        if not new:
            return
        self.db.run_many(_INSERT_LEAF, map(_newborn_values, new.values()))
        for job_id, job in new.items():
            if job.version:
                self._touched[job_id] = job
        new.clear()

    def _update_touched(self) -> None:
        leaves: list[Job] = []
        branches: list[Job] = []
        for job in self._touched.values():
            (branches if job.is_branch else leaves).append(job)
        if leaves:
            self.db.run_many(_UPDATE_LEAF, map(_leaf_values, leaves))
        branches.sort(key=lambda job: -job.id)
        if branches:
            self.db.run_many(
                _UPDATE_BRANCH, [(*_moving_values(b), *(b.tallies or [0] * NO_TALLIES), b.id) for b in branches]
            )
        self._touched = {}
        self._above = {}

    def _differences(self) -> Differences:
        """What other rows must learn of, from what was loaded and what will be saved; asked once for each flush."""
        moved, self._moved = self._moved, Differences()
        lanes, uses, taken, counts, waits = moved.lanes, moved.uses, moved.taken, moved.counts, moved.waits
        closed = 0
        for jobs in (self._new, self._touched):
            for job_id, job in jobs.items():
                status, ready, owner = self._was[job_id]
                if job.ready != ready:
                    lanes[job.lane_id] += job.ready - ready
                    if job.limit_id or job.step_limit_id:
                        moved.eased.update(filter(None, (job.limit_id, job.step_limit_id)))
                if job.status != status:
                    counts[job.status] += 1
                    if status >= 0:
                        counts[status] -= 1
                        if not status and job.attempt and job.started_at >= (job.run_at or job.created_at):
                            waits.append(job.started_at - (job.run_at or job.created_at))
                    closed += job.is_terminal
                held = (job.owner is not None) - (owner is not None)
                if held and (job.limit_id or job.step_limit_id):
                    for limit in filter(None, (job.limit_id, job.step_limit_id)):
                        uses[limit] += held
                        (taken if held > 0 else moved.eased).add(limit)
                self._was[job_id] = (job.status, job.ready, job.owner)
        moved.closed += closed
        return moved
