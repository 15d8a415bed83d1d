"""Reserving work: epoch and owner are set, nothing else. Only a start that is recorded counts."""

from collections.abc import Sequence
from functools import partial

from quaero.domain.bounds import MAX_LOSSES_BEFORE_SOLO
from quaero.domain.job import Job
from quaero.engine.lifecycle.enqueue import queue_again
from quaero.engine.lifecycle.moves import listed
from quaero.storage.port import Ledger, Want


def reserve(ledger: Ledger, worker_id: int, wants: Sequence[Want]) -> list[Job]:
    """Give ready jobs to a worker; no job is ever given to two. A drained or swept worker gets nothing."""
    return confirm(ledger, pick(ledger, worker_id, wants))


def pick(ledger: Ledger, worker_id: int, wants: Sequence[Want]) -> list[Job]:
    """Reserve as far as the jobs' own rows go: `confirm` must follow when nothing is left to wait for."""
    wanted = [want for want in wants if want.n > 0]
    if not wanted or not _may_work(ledger, worker_id):
        return []
    promote(ledger)
    taken: list[Job] = []
    may = partial(_may_begin, ledger)
    for want in wanted:
        taken += ledger.claim(want, worker_id, may)
    return taken


def confirm(ledger: Ledger, jobs: Sequence[Job]) -> list[Job]:
    """Those of these jobs that no cancellation has met since they were picked, nor can before the commit.

    The others go back; whoever cancels finds them there.
    """
    if not ledger.is_shared:
        return list(jobs)
    steady = {job.id for job in ledger.not_being_cancelled(jobs) if listed(ledger, job) is None}
    for job in jobs:
        if job.id not in steady:
            queue_again(ledger, job)
    return [job for job in jobs if job.id in steady]


def _may_begin(ledger: Ledger, job: Job) -> bool:
    return listed(ledger, job) is None


def _may_work(ledger: Ledger, worker_id: int) -> bool:
    return bool(ledger.steady("select 1 from worker where id = ? and state = 'live'", (worker_id,)))


def promote(ledger: Ledger, limit: int = 10_000) -> int:
    """Make ready what was delayed until now; how many."""
    due = ledger.find.due(limit)
    for job in due:
        job.ready = 1
        ledger.touch(job)
    return len(due)


def needs_to_be_alone(job: Job) -> bool:
    """Whether a job was lost so often without a recorded start that it must run alone, its start recorded first."""
    return job.losses >= MAX_LOSSES_BEFORE_SOLO
