"""A fresh start by hand: new rounds, and whole trees run again or removed."""

from quaero.domain.errors import Conflict, InvalidInput
from quaero.domain.job import Job
from quaero.domain.status import WORDS, JobStatus
from quaero.engine.lifecycle.cancel import Acted, find_job
from quaero.engine.lifecycle.enqueue import add_job
from quaero.engine.lifecycle.moves import PARENT_FAILED, SKIPPED, error_summary, make_ready, move, reopen
from quaero.storage.port import Ledger

S = JobStatus
MOST = 1_000_000


def retry(ledger: Ledger, job_id: int, failed_children: bool = False, fingerprint: str | None = None) -> Acted:
    """Open a new round: of the job itself, so that its function runs again, or of its failed descendants only.

    Each reopened job gets a fresh attempt budget; every closed ancestor goes back to waiting. Raises NotFound, or
    Conflict when the job's status does not allow it.
    """
    job = find_job(ledger, job_id)
    if fingerprint is not None and not failed_children:
        raise InvalidInput("`fingerprint` selects among failed children: send failed_children = true with it")
    if failed_children or (job.definition is not None and job.is_root):
        affected = _reopen_failed(ledger, job, fingerprint)
        if not affected:
            what = f" with fingerprint {fingerprint}" if fingerprint else ""
            raise Conflict(f"job {job_id} is {WORDS[job.status]} and has no failed jobs{what} to retry")
        return Acted(affected, job)
    if job.status not in (S.FAILED, S.CANCELLED):
        raise Conflict(f"job {job_id} is {WORDS[job.status]}: only a failed or cancelled job can be retried")
    if ledger.cancel_lists.get(job.root_id):
        raise Conflict(f"job {job_id} belongs to a tree that is still being cancelled: retry when that is done")
    return Acted(_restart(ledger, job), job)


def retry_step(ledger: Ledger, step: Job) -> bool:
    """A step's one automatic retry (`on_error = "retry"`): its failed work gets one more round.

    Called when the step is about to fail, so the step itself has not ended. False when there is nothing to redo.
    """
    step.retried = 1
    again = _reopen_failed_children(ledger, step)
    if step.own_failed:
        step.round += 1
        step.attempt = step.own_failed = step.sealed = 0
        step.owner = None
        move(ledger, step, S.PENDING, "on_error = retry")
        make_ready(ledger, step)
        return True
    if again and step.status == S.RUNNING:
        step.owner = None
        move(ledger, step, S.WAITING, "on_error = retry")
    return again > 0


def _reopen_failed_children(ledger: Ledger, step: Job) -> int:
    failed = ledger.find.subtree(step.id, statuses=(S.FAILED,), limit=MOST)
    return sum(_restart(ledger, job) for job in failed if job is not step and _failed_itself(job))


def _reopen_failed(ledger: Ledger, top: Job, fingerprint: str | None) -> int:
    failed = ledger.find.subtree(top.id, statuses=(S.FAILED,), limit=MOST)
    chosen = [job for job in failed if _failed_itself(job)]
    if fingerprint is not None:
        chosen = [job for job in chosen if error_summary(job)[1] == fingerprint]
    return sum(_restart(ledger, job) for job in chosen)


def _failed_itself(job: Job) -> bool:
    """Whether its own function failed, rather than only something below it."""
    return bool(job.own_failed) or not job.tallies


def _restart(ledger: Ledger, job: Job) -> int:
    """Open a new round of one job and of every closed ancestor; how many jobs will run again."""
    if not job.is_terminal:
        return 0
    before = JobStatus(job.status)
    if before == S.FAILED and job.own_failed:
        _, print_ = error_summary(job)
        if print_:
            ledger.count_error(job, print_, "", -1)
    _clear(job)
    reopen(ledger, job, S.PENDING)
    make_ready(ledger, job)
    again = 1 + _reopen_cancelled_children(ledger, job)
    _reopen_above(ledger, job, before)
    return again + _reopen_skipped(ledger, job)


def _clear(job: Job) -> None:
    job.attempt = job.losses = 0
    job.sealed = job.own_failed = 0
    job.error = job.result = job.progress = None
    job.run_at = job.started_at = 0


def _reopen_above(ledger: Ledger, job: Job, before: JobStatus) -> None:
    """Every closed ancestor back to waiting; one that is pending or running already stays as it is."""
    while job.parent_id is not None:
        parent = ledger.get(job.parent_id)
        if before == S.FAILED and job.on_error == "continue":
            parent.excused -= 1
        if not parent.is_terminal:
            return
        before = JobStatus(parent.status)
        parent.warnings = 0
        parent.sealed = 1
        reopen(ledger, parent, S.WAITING)
        job = parent


def _reopen_cancelled_children(ledger: Ledger, job: Job) -> int:
    """Children that were cancelled because this job had failed come back with it."""
    if not job.tallies or not job.tallies[S.CANCELLED]:
        return 0
    lost = ledger.find.children(job.id, statuses=(S.CANCELLED,), limit=MOST)
    return sum(_restart(ledger, child) for child in lost if child.reason == PARENT_FAILED)


def _reopen_skipped(ledger: Ledger, job: Job) -> int:
    """Dependents that were skipped because this job (or the step it is in) failed wait for it again."""
    again = 0
    row: Job | None = job
    while row is not None:
        if row.has_dependents:
            for other in ledger.load(ledger.find.dependents(row.id)).values():
                if other.status == S.CANCELLED and other.reason == SKIPPED:
                    again += _wait_again(ledger, other)
        row = ledger.get(row.parent_id) if row.parent_id is not None else None
    return again


def _wait_again(ledger: Ledger, job: Job) -> int:
    _clear(job)
    waits_for = ledger.load(ledger.find.waits_for(job.id)).values()
    job.blocked_by = sum(not other.is_terminal for other in waits_for)
    reopen(ledger, job, S.PENDING)
    make_ready(ledger, job)
    return 1 + _reopen_skipped(ledger, job)


def rerun(ledger: Ledger, job_id: int) -> Acted:
    """Run a root again as a new tree, as it was asked for the first time. Raises NotFound or InvalidInput."""
    old = find_job(ledger, job_id)
    if not old.is_root:
        raise InvalidInput(f"job {job_id} is not a root: rerun its root {old.root_id}, or retry the job itself")
    if old.definition is not None:
        from quaero.engine.lifecycle.definitions import run_stored

        return Acted(1, ledger.get(run_stored(ledger, old)))
    new_id = ledger.new_ids(1)
    job = Job(
        new_id,
        new_id,
        old.kind,
        name=old.name,
        tags=old.tags,
        priority=old.priority,
        payload=old.payload,
        created_at=ledger.now,
        max_attempts=old.max_attempts,
        timeout=old.timeout,
    )
    add_job(ledger, job)
    return Acted(1, job)


def delete(ledger: Ledger, job_id: int) -> Acted:
    """Remove a finished tree: gone from sight at once, its rows go in batches. Raises NotFound, Conflict."""
    job = find_job(ledger, job_id)
    if not job.is_root:
        raise InvalidInput(f"job {job_id} is not a root: only whole trees are deleted, this one is {job.root_id}")
    if not job.is_terminal:
        raise Conflict(f"job {job_id} is {WORDS[job.status]}: cancel it before deleting it")
    job.become_branch()
    job.purging = 1
    ledger.touch(job)
    return Acted(1 + job.below.total + (job.tally.total if job.definition is not None else 0), job)
