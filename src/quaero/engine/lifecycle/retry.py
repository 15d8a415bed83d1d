"""A fresh start by hand: new rounds, and whole trees run again or removed."""

from collections.abc import Sequence

from quaero.domain.errors import Conflict, InvalidInput
from quaero.domain.job import Job
from quaero.domain.status import WORDS, JobStatus
from quaero.engine.lifecycle.cancel import Acted, find_job
from quaero.engine.lifecycle.enqueue import add_job
from quaero.engine.lifecycle.moves import (
    PARENT_FAILED,
    SKIPPED,
    TREE_STOPPED,
    block,
    error_summary,
    has_ended_well,
    listed,
    make_ready,
    move,
    reopen,
)
from quaero.storage.port import Ledger

S = JobStatus
MOST = 1_000_000


def retry(ledger: Ledger, job_id: int, failed_children: bool = False, fingerprint: str | None = None) -> Acted:
    """Open a new round: of the job itself, so that its function runs again, or of its failed descendants only.

    A definition's root has no function: what failed below it or was stopped with it runs again. Each reopened job gets
    a fresh attempt budget; every closed ancestor goes back to waiting. Raises NotFound, or Conflict when the job's
    status does not allow it.
    """
    job = find_job(ledger, job_id)
    if fingerprint is not None and not failed_children:
        raise InvalidInput("`fingerprint` selects among failed children: send failed_children = true with it")
    _check_tree(ledger, job)
    if failed_children:
        chosen = _failed_below(ledger, job, fingerprint)
    elif job.definition is not None and job.is_root:
        chosen = _failed_below(ledger, job, None) + _stopped_below(ledger, job)
    elif job.status in (S.FAILED, S.CANCELLED):
        chosen = [job]
    else:
        raise Conflict(f"job {job_id} is {WORDS[job.status]}: only a failed or cancelled job can be retried")
    free = [one for one in chosen if listed(ledger, one) is None]
    if chosen and not free:
        raise Conflict(f"job {job_id} is {WORDS[job.status]} and still being cancelled: retry when that is done")
    if not free:
        what = f" with fingerprint {fingerprint}" if fingerprint else ""
        raise Conflict(f"job {job_id} is {WORDS[job.status]} and has no failed jobs{what} to retry")
    return Acted(restart(ledger, free), job)


def _check_tree(ledger: Ledger, job: Job) -> None:
    """Forget cancellations that are over; refuse to reopen a root whose key another one has taken."""
    root = ledger.get(job.root_id)
    modes = ledger.cancel_lists.get(root.id, {})
    open_ones = {top_id: mode for top_id, mode in modes.items() if not ledger.get(top_id).is_terminal}
    if len(open_ones) < len(modes):
        ledger.list_cancel(root, open_ones)
    if root.key is not None and root.is_terminal:
        other = ledger.find.open_root(root.kind, root.key)
        if other is not None:
            raise Conflict(f"job {root.id} is {WORDS[root.status]}, and job {other} is open with its key {root.key!r}")


def _failed_below(ledger: Ledger, top: Job, fingerprint: str | None) -> list[Job]:
    """Jobs at or below `top` whose own function failed, rather than only something below them."""
    failed = ledger.find.subtree(top.id, statuses=(S.FAILED,), limit=MOST)
    return [
        job
        for job in failed
        if (job.own_failed or not job.tallies)
        and job.definition is None
        and (fingerprint is None or error_summary(job)[1] == fingerprint)
    ]


def _stopped_below(ledger: Ledger, root: Job) -> list[Job]:
    """Jobs that were cancelled with their whole tree."""
    cancelled = ledger.find.subtree(root.id, statuses=(S.CANCELLED,), limit=MOST)
    return [
        job
        for job in cancelled
        if job is not root and (job.reason == TREE_STOPPED or (root.status == S.CANCELLED and job.reason != SKIPPED))
    ]


def retry_step(ledger: Ledger, step: Job) -> bool:
    """A step's one automatic retry (`on_error = "retry"`): its failed work gets one more round.

    Called when the step is about to fail, so the step itself has not ended. False when there is nothing to redo.
    """
    step.retried = 1
    if not step.own_failed:
        if step.status == S.RUNNING:
            move(ledger, step, S.WAITING, "on_error = retry")
        return restart(ledger, _failed_below(ledger, step, None)) > 0
    _forget_error(ledger, step)
    _clear(step)
    step.round += 1
    move(ledger, step, S.PENDING, "on_error = retry")
    make_ready(ledger, step)
    again = _stopped_with(ledger, step) + _failed_below(ledger, step, None)
    _forget_cancellation(ledger, step)
    restart(ledger, again)
    return True


def restart(ledger: Ledger, jobs: Sequence[Job]) -> int:
    """Open a new round of these jobs and of what was stopped because of them; how many jobs will run again.

    A work list instead of recursion: trees are up to 1,000 deep and chains of dependents longer.
    """
    again = 0
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
    if before == S.FAILED and job.own_failed:
        _forget_error(ledger, job)
    _clear(job)
    reopen(ledger, job, S.PENDING)
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
    job.run_at = job.started_at = 0
    job.warnings = 0


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
        if parent.definition is not None:  # it has no function: if it failed by itself, its time was up
            parent.own_failed = 0
            parent.error = None
        reopen(ledger, parent, S.WAITING)
        job = parent


def _stopped_with(ledger: Ledger, job: Job) -> list[Job]:
    """Children that were cancelled because this job had failed, or together with it."""
    if not job.tallies or not job.tallies[S.CANCELLED]:
        return []
    cancelled = ledger.find.children(job.id, statuses=(S.CANCELLED,), limit=MOST)
    return [
        child
        for child in cancelled
        if child.reason == PARENT_FAILED or (job.status == S.CANCELLED and child.reason != SKIPPED)
    ]


def _dependents_to_reopen(ledger: Ledger, job: Job) -> list[Job]:
    """Let dependents of a reopened job, and of the step it is in, wait again; those that were skipped come back."""
    skipped = []
    row: Job | None = job
    while row is not None:
        if row.has_dependents:
            for other in ledger.load(ledger.find.dependents(row.id)).values():
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
