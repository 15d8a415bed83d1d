"""A worker's round: record what happened, take what comes next, and learn what to stop, in one commit."""

import time
from collections.abc import Sequence

import msgspec

from quaero.domain.facts import Fact
from quaero.domain.job import Job
from quaero.engine.lifecycle.cancel import advance
from quaero.engine.lifecycle.record import Recorded, record
from quaero.engine.lifecycle.reserve import confirm, needs_to_be_alone, pick, reserve
from quaero.engine.lifecycle.spawn import Memory
from quaero.engine.protocol import Task
from quaero.failpoints import failpoint
from quaero.storage.port import Ledger, Want

CANCEL_BATCH = 5_000  # a transaction of 10 to 20 ms: others who write wait no longer


class Round(msgspec.Struct):
    """The answer to a round: tasks to run (`alone`: one at a time, start recorded first), and held jobs to stop."""

    recorded: Recorded
    tasks: list[Task] = []
    alone: list[Task] = []
    stop: list[int] = []
    cancelling: bool = False
    closed: int = 0  # jobs closed or asked to stop under a cancellation; there may be more
    worked: float = 0.0  # seconds this round kept others waiting, its commit excluded
    waited: float = 0.0  # seconds before, in which it waited for others or claimed beside them
    next_due: int = 0  # microseconds since the epoch at which time alone makes something ready; 0: nothing


def play(
    ledger: Ledger,
    worker_id: int,
    facts: Sequence[Fact],
    wants: Sequence[Want],
    memory: Memory,
    held: Sequence[tuple[int, int]] = (),
) -> Round:
    """Record `facts`, reserve up to `wants`. `held` (id, epoch) is given when the worker asks what it must stop.

    What is recorded touches the rows above, at which all writers of a tree queue. Where others write at the same time
    they come last; where nobody does, what has just ended makes room for what is reserved.
    """
    began = time.perf_counter()
    jobs: list[Job] = []
    next_due = 0
    if ledger.is_shared:
        jobs = pick(ledger, worker_id, wants)
        next_due = _next_due(ledger, wants, jobs)
    answer = Round(record(ledger, worker_id, facts, memory))
    if ledger.cancel_lists:
        failpoint("cancel.batch")
        answer.closed = advance(ledger, CANCEL_BATCH)
        answer.cancelling = bool(ledger.cancel_lists)
    if held:
        answer.stop = _to_stop(ledger, worker_id, held)
    if not ledger.is_shared:
        jobs = reserve(ledger, worker_id, wants)
        next_due = _next_due(ledger, wants, jobs)
    answer.next_due = next_due
    ledger.load({job.step_id for job in jobs if job.step_id is not None})
    if ledger.is_shared:
        jobs = confirm(ledger, [job for job in jobs if job.owner == worker_id])
    for job in jobs:
        (answer.alone if needs_to_be_alone(job) else answer.tasks).append(to_task(ledger, job))
    if ledger.is_shared:
        answer.waited = answer.recorded.held_at - began
    answer.worked = time.perf_counter() - began - answer.waited
    return answer


def _next_due(ledger: Ledger, wants: Sequence[Want], jobs: Sequence[Job]) -> int:
    """When more will be ready by time alone; asked by a worker that could do more than it got."""
    return ledger.find.next_due() if wants and sum(want.n for want in wants) > len(jobs) else 0


def _to_stop(ledger: Ledger, worker_id: int, held: Sequence[tuple[int, int]]) -> list[int]:
    """Jobs a worker runs that it no longer holds, or that were asked to cancel."""
    still = ledger.guarded(held, worker_id)
    return [job_id for job_id, _ in held if job_id not in still or still[job_id].cancel_requested]


def to_task(ledger: Ledger, job: Job) -> Task:
    """What an executor needs of a reserved job."""
    step = ledger.get(job.step_id).name if job.step_id is not None else None
    return Task(
        job.id,
        job.epoch,
        job.kind,
        job.payload,
        job.root_id,
        job.parent_id,
        step,
        job.step_id,
        job.attempt + 1,
        job.round,
        job.max_attempts,
        job.timeout,
    )
