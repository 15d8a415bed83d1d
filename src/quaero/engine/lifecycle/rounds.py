"""New rounds: what runs again, what comes back with it, and every closed ancestor open once more."""

from collections.abc import Sequence

from quaero.domain.job import Job
from quaero.domain.status import CANCELLED, FAILED, PENDING, RUNNING, WAITING, JobStatus
from quaero.engine.lifecycle.moves import (
    PARENT_FAILED,
    SKIPPED,
    block,
    error_summary,
    has_ended_well,
    make_ready,
    move,
    reopen,
)
from quaero.storage.port import Ledger

MOST = 1_000_000


def failed_below(ledger: Ledger, top: Job, fingerprint: str | None) -> list[Job]:
    """Jobs below `top` whose own function failed, rather than only something below them.

    Chosen by the fingerprint of an error group, `top` is among them if the group counts it.
    """
    failed = ledger.find.subtree(top.id, statuses=(FAILED,), limit=MOST)
    return [
        job
        for job in failed
        if (job.own_failed or not job.tallies)
        and (error_summary(job)[1] == fingerprint if fingerprint is not None else job is not top)
    ]


def retry_step(ledger: Ledger, step: Job) -> bool:
    """A step's one automatic retry (`on_error = "retry"`): its failed work gets one more round.

    Called when the step is about to fail, so the step itself has not ended. False when there is nothing to redo.
    """
    step.retried = 1
    if not step.own_failed:
        if step.status == RUNNING:
            move(ledger, step, WAITING, "on_error = retry")
        return restart(ledger, failed_below(ledger, step, None)) > 0
    _forget_error(ledger, step)
    _clear(step)
    step.round += 1
    move(ledger, step, PENDING, "on_error = retry")
    make_ready(ledger, step)
    again = _stopped_with(ledger, step) + failed_below(ledger, step, None)
    _forget_cancellation(ledger, step)
    restart(ledger, again)
    return True


def restart(ledger: Ledger, jobs: Sequence[Job]) -> int:
    """Open a new round of these jobs and of what was stopped because of them; how many jobs will run again.

    A work list instead of recursion: trees are up to 1,000 deep and chains of dependents longer.
    """
    again = 0
    ledger.find.learn_what_wait(job.id for job in jobs)
    todo = list(reversed(jobs))
    while todo:
        job = todo.pop()
        if not job.is_terminal:
            continue
        stopped = _stopped_with(ledger, job)
        _forget_cancellation(ledger, job)
        _reopen(ledger, job)
        again += 1
        todo += [*stopped, *_dependents_to_reopen(ledger, job)]
    return again


def _reopen(ledger: Ledger, job: Job) -> None:
    before = JobStatus(job.status)
    if before == FAILED and job.own_failed:
        _forget_error(ledger, job)
    _clear(job)
    reopen(ledger, job, PENDING)
    block(ledger, job)
    _reopen_above(ledger, job, before)


def _forget_error(ledger: Ledger, job: Job) -> None:
    _, print_ = error_summary(job)
    if print_:
        ledger.count_error(job, print_, "", -1)


def _forget_cancellation(ledger: Ledger, job: Job) -> None:
    """What was listed for the round that is over must not stop the new one."""
    modes = ledger.cancel_lists.get(job.root_id, {})
    if job.id in modes:
        ledger.list_cancel(ledger.get(job.root_id), {i: mode for i, mode in modes.items() if i != job.id})


def _clear(job: Job) -> None:
    job.attempt = job.losses = 0
    job.sealed = job.own_failed = 0
    job.error = job.result = job.progress = None
    job.run_at = job.started_at = job.finished_at = 0
    job.warnings = 0


def _reopen_above(ledger: Ledger, job: Job, before: JobStatus) -> None:
    """Every closed ancestor back to waiting; one that is pending or running already stays as it is."""
    while job.parent_id is not None:
        parent = ledger.get(job.parent_id)
        if before == FAILED and job.on_error == "continue":
            parent.excused -= 1
        if not parent.is_terminal:
            return
        before = JobStatus(parent.status)
        parent.warnings = 0
        parent.sealed = 1
        if parent.definition is not None:  # it has no function: if it failed by itself, its time was up
            parent.own_failed = 0
            parent.error = None
        reopen(ledger, parent, WAITING)
        job = parent


def _stopped_with(ledger: Ledger, job: Job) -> list[Job]:
    """Children that were cancelled because this job had failed, or together with it."""
    if not job.tallies or not job.tallies[CANCELLED]:
        return []
    cancelled = ledger.find.children(job.id, statuses=(CANCELLED,), limit=MOST)
    return [
        child
        for child in cancelled
        if child.reason == PARENT_FAILED or (job.status == CANCELLED and child.reason != SKIPPED)
    ]


def _dependents_to_reopen(ledger: Ledger, job: Job) -> list[Job]:
    """Let dependents of a reopened job, and of the step it is in, wait again; those that were skipped come back."""
    skipped = []
    row: Job | None = job
    while row is not None:
        if row.has_dependents:
            for _, other in sorted(ledger.load(ledger.find.dependents(row.id)).items()):
                if not other.is_terminal:
                    block(ledger, other)
                elif other.reason == SKIPPED and _may_still_run(ledger, other):
                    skipped.append(other)
        row = ledger.get(row.parent_id) if row.parent_id is not None else None
    return skipped


def _may_still_run(ledger: Ledger, job: Job) -> bool:
    """Whether nothing it waits for has ended badly."""
    waits_for = ledger.load(ledger.find.waits_for(job.id)).values()
    return all(not other.is_terminal or has_ended_well(other) for other in waits_for)
