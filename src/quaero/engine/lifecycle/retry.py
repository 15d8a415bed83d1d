"""A fresh start by hand: new rounds, and whole trees run again or removed."""

from quaero.domain.errors import Conflict, InvalidInput
from quaero.domain.job import Job
from quaero.domain.status import CANCELLED, FAILED, WORDS
from quaero.engine.lifecycle.cancel import Acted, find_job
from quaero.engine.lifecycle.definitions import run_stored
from quaero.engine.lifecycle.enqueue import add_job
from quaero.engine.lifecycle.moves import PENDING_CHILDREN, SKIPPED, TREE_STOPPED, listed
from quaero.engine.lifecycle.rounds import MOST, failed_below, restart
from quaero.storage.port import Ledger


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
        chosen = failed_below(ledger, job, fingerprint)
    elif job.definition is not None and job.is_root:
        chosen = failed_below(ledger, job, None) + _stopped_below(ledger, job)
    elif job.status in (FAILED, CANCELLED):
        chosen = [job]
    else:
        raise Conflict(
            f"job {job_id} is {WORDS[job.status]}: only a failed or cancelled job can be retried", WORDS[job.status]
        )
    free = [one for one in chosen if not _is_being_stopped(ledger, one)]
    if chosen and not free:
        raise Conflict(
            f"job {job_id} is {WORDS[job.status]} and still being cancelled: retry when that is done", WORDS[job.status]
        )
    if not free:
        what = f" with fingerprint {fingerprint}" if fingerprint else ""
        raise Conflict(f"job {job_id} is {WORDS[job.status]} and has no failed jobs{what} to retry", WORDS[job.status])
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
            raise Conflict(
                f"job {root.id} is {WORDS[root.status]}, and job {other} is open with its key {root.key!r}",
                WORDS[root.status],
            )


def _is_being_stopped(ledger: Ledger, job: Job) -> bool:
    """Whether a new round would be cancelled at once: with what is above it, or as a child of one that has failed."""
    modes = ledger.cancel_lists.get(job.root_id, {})
    return listed(ledger, job) is not None or (
        job.parent_id is not None and modes.get(job.parent_id) == PENDING_CHILDREN
    )


def _stopped_below(ledger: Ledger, root: Job) -> list[Job]:
    """Jobs that were cancelled with their whole tree."""
    cancelled = ledger.find.subtree(root.id, statuses=(CANCELLED,), limit=MOST)
    return [
        job
        for job in cancelled
        if job is not root and (job.reason == TREE_STOPPED or (root.status == CANCELLED and job.reason != SKIPPED))
    ]


def rerun(ledger: Ledger, job_id: int) -> Acted:
    """Run a root again as a new tree, as it was asked for the first time. Raises NotFound or InvalidInput."""
    old = find_job(ledger, job_id)
    if not old.is_root:
        raise InvalidInput(f"job {job_id} is not a root: rerun its root {old.root_id}, or retry the job itself")
    if old.definition is not None:
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
        raise Conflict(f"job {job_id} is {WORDS[job.status]}: cancel it before deleting it", WORDS[job.status])
    job.become_branch()
    job.purging = 1
    ledger.touch(job)
    return Acted(1 + job.below.total + (job.tally.total if job.definition is not None else 0), job)
