"""How rounds end: sealing, closing, and everything that closes with it.

    seal ──> wait for what is open below, or close ──> finish: the terminal move, those who waited, the parents

All of it happens in the transaction of the change that caused it: a reader sees it with its consequences or not at all.
"""

from quaero.domain.entries import Level
from quaero.domain.job import Job
from quaero.domain.outcome import closing_status, is_over_tolerance
from quaero.domain.status import CANCELLED, COMPLETED, FAILED, PENDING, WAITING, JobStatus
from quaero.engine.lifecycle.moves import ALL, SKIPPED, STOP, block, has_ended_well, listed, make_ready, move
from quaero.engine.lifecycle.rounds import retry_step
from quaero.storage.port import Ledger, Note


def seal(ledger: Ledger, job: Job, at: int) -> None:
    """Its own function has ended for this round, `at`: it closes, or waits for what is still open below."""
    job.sealed = 1
    job.owner = None
    if job.tallies and job.open_children:
        job.finished_at = max(job.finished_at, at)
        move(ledger, job, WAITING)
        return
    close(ledger, job, at)


def close(ledger: Ledger, job: Job, at: int) -> None:
    """Close a sealed job with nothing open below, and whatever closes with it, not before `at`."""
    status = _closing(ledger, job)
    if status is not None:
        finish(ledger, job, status, at=at)


def _closing(ledger: Ledger, job: Job) -> JobStatus | None:
    """How a sealed job with nothing open below ends; None if it goes on (a step's one retry)."""
    if not job.tallies and not job.own_failed and not ledger.cancel_lists:
        return COMPLETED
    mode = listed(ledger, job)
    status = closing_status(job, under_cancel=mode == ALL)
    has_a_retry = status == FAILED and job.on_error == "retry" and not job.retried and mode is None
    if has_a_retry and retry_step(ledger, job):
        return None
    job.warnings = job.tallies[FAILED] if job.tallies and status == COMPLETED else 0
    return status


def finish(ledger: Ledger, job: Job, status: JobStatus, reason: str | None = None, at: int = 0) -> None:
    """End a round: the terminal move, those who waited for it, and every parent that can close now.

    `at` is when its function ended, 0 for now; a parent ends with the last of its children.
    A work list instead of recursion: trees are up to 1,000 deep and chains of dependents longer.
    """
    ending: list[tuple[Job, JobStatus, str | None, int]] = [(job, status, reason, at or ledger.now)]
    while ending:
        job, status, reason, at = ending.pop()
        if job.is_terminal:
            continue
        at = job.finished_at = max(job.finished_at, at, job.started_at, job.created_at)
        _end(ledger, job, status, reason)
        if job.has_dependents:
            ending.extend((skipped, CANCELLED, SKIPPED, at) for skipped in _free_dependents(ledger, job))
        if job.parent_id is None:
            continue
        parent = ledger.get(job.parent_id)
        parent.finished_at = max(parent.finished_at, at)
        if status == FAILED:
            _weigh_failure(ledger, parent, job)
        if parent.sealed and not parent.is_terminal and not parent.open_children:
            closing = _closing(ledger, parent)
            if closing is not None:
                ending.append((parent, closing, None, parent.finished_at))


def _end(ledger: Ledger, job: Job, status: JobStatus, reason: str | None) -> None:
    job.owner = None
    job.ready = 0
    job.sealed = 1
    job.reason = reason or job.reason
    move(ledger, job, status, reason or "", {"warnings": job.warnings} if job.warnings else None)


def _weigh_failure(ledger: Ledger, parent: Job, child: Job) -> None:
    """What a failed child means for its parent before all are done."""
    if child.on_error == "continue":
        parent.excused += 1
    elif parent.failure_action == "stop_all" and is_over_tolerance(parent):
        _stop_tree(ledger, parent)


def _stop_tree(ledger: Ledger, parent: Job) -> None:
    root = ledger.get(parent.root_id)
    stopping = ledger.cancel_lists.get(root.id, {})
    if root.id not in stopping:
        ledger.note(parent, Note(Level.WARN, "More failures than tolerated: stopping the rest of the tree"))
        ledger.list_cancel(root, {**stopping, root.id: STOP})


def _free_dependents(ledger: Ledger, job: Job) -> list[Job]:
    """Release the siblings that waited for a job; those to skip, because it did not end well, are returned."""
    found = sorted(ledger.load(ledger.find.dependents(job.id)).items())
    dependents = [other for _, other in found if not other.is_terminal]
    skipped = []
    for other in dependents:
        if not has_ended_well(job) and other.status == PENDING and not other.attempt:
            skipped.append(other)
        elif job.round > 1:  # one that had begun before this job was reopened does not count it
            block(ledger, other)
        else:
            other.blocked_by -= 1
            ledger.touch(other)
            if other.blocked_by == 0:
                make_ready(ledger, other)
    return skipped
