"""The one way a job changes its status within a transaction: the row, its journal entry, the tallies above it, its
events. What follows from a change (a parent that closes, a dependent that is freed) is in `closing` and `rounds`.
"""

from typing import Any

import msgspec

from quaero.domain.entries import Level
from quaero.domain.events import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobStarted,
    JobStatusChanged,
    StepFinished,
)
from quaero.domain.job import Job
from quaero.domain.status import (
    COMPLETED,
    FAILED,
    MOVES,
    PENDING,
    REOPENINGS,
    RUNNING,
    WAITING,
    WORDS,
    JobStatus,
)
from quaero.engine.lifecycle.spans import start_of
from quaero.storage.port import Ledger, Note

S = JobStatus
SKIPPED = "skipped"
PARENT_FAILED = "parent failed"
TREE_STOPPED = "tree stopped"

# Modes of cancellation, as listed in the root's row.
ALL = "all"  # somebody cancelled: everything below ends, what closes is cancelled
STOP = "stop"  # the tree is being stopped: everything below ends, what closes follows the outcome table
PENDING_CHILDREN = "pending"  # a parent failed for good: its pending children end, its running ones finish
STOPPING = (ALL, STOP)


class IllegalMove(Exception):
    """A bug of ours: a script asked for a move the table does not have. The transaction is rolled back."""


def move(ledger: Ledger, job: Job, to: JobStatus, message: str = "", fields: dict[str, Any] | None = None) -> None:
    """Change a job's status within its round."""
    before = job.status
    if to not in MOVES[before]:  # type: ignore[index]
        raise IllegalMove(f"job {job.id} is {WORDS[before]}, so it cannot become {to.word}")
    _change(ledger, job, before, to, message, fields)


def reopen(ledger: Ledger, job: Job, to: JobStatus) -> None:
    """Open a new round of a terminal job: itself to pending, an ancestor to waiting."""
    before = job.status
    if to not in REOPENINGS.get(JobStatus(before), frozenset()):
        raise IllegalMove(f"job {job.id} is {WORDS[before]}, so a new round cannot make it {to.word}")
    job.round += 1
    job.finished_at = 0
    job.retried = 0
    job.reason = None
    job.cancel_requested = 0
    _change(ledger, job, before, to, f"round {job.round}", {"round": job.round})


def _change(ledger: Ledger, job: Job, before: int, to: JobStatus, message: str, fields: dict[str, Any] | None) -> None:
    job.status = int(to)
    if job.parent_id is not None:
        shift(ledger, job, before, to)
        level = Level.INFO if job.is_step else ledger.child_level
    else:
        level = Level.INFO
    ledger.note(job, Note(level, message, job.status, 0, fields))
    ledger.touch(job)
    if ledger.has_subscribers:
        _announce(ledger, job, before, to)


def shift(ledger: Ledger, job: Job, before: int, after: int, n: int = 1) -> None:
    """Move `n` jobs like this one from one count to another, in the at most three rows above it (-1: none)."""
    for tallies, offset in ledger.above(job):
        if before >= 0:
            tallies[offset + before] -= n
        if after >= 0:
            tallies[offset + after] += n


def make_ready(ledger: Ledger, job: Job) -> None:
    """Let a pending, free job be reserved, now or when its time comes."""
    job.ready = int(job.blocked_by == 0 and job.run_at <= ledger.now)
    if job.ready and not job.run_at:
        job.run_at = ledger.now  # what it waits from now on is its latency
    ledger.touch(job)


def start(ledger: Ledger, job: Job, at: int) -> None:
    """Record that an attempt began, by its executor's clock `at`: only now does it count."""
    job.attempt += 1
    job.started_at = start_of(job, at, ledger.now)
    job.error = None
    move(ledger, job, RUNNING, f"attempt {job.attempt}" if job.attempt > 1 else "")
    root = ledger.get(job.root_id)
    if root.definition is not None and root is not job:
        _start_tree(ledger, root, job.started_at)
    elif root.tree_timeout and not root.deadline:
        root.deadline = ledger.now + root.tree_timeout
        ledger.touch(root)


def _start_tree(ledger: Ledger, root: Job, at: int) -> None:
    """A definition's root has no function of its own: it starts with the first job below it."""
    if root.status == PENDING:
        root.started_at = at
        move(ledger, root, WAITING)
    if root.tree_timeout and not root.deadline:
        root.deadline = ledger.now + root.tree_timeout
        ledger.touch(root)


def has_ended_well(job: Job) -> bool:
    """Whether what waits for this job may go on: it completed, or its failure does not count."""
    return job.status == COMPLETED or (job.status == FAILED and job.on_error == "continue")


def block(ledger: Ledger, job: Job) -> None:
    """Count anew what a job waits for; a pending one that is free becomes ready, or is so no more."""
    waits_for = ledger.load(ledger.find.waits_for(job.id)).values()
    job.blocked_by = sum(not other.is_terminal for other in waits_for)
    if job.status == PENDING and job.owner is None:
        make_ready(ledger, job)
    ledger.touch(job)


def listed(ledger: Ledger, job: Job) -> str | None:
    """The mode under which a job is being cancelled, by itself or an ancestor; None for nearly every job."""
    modes = ledger.cancel_lists.get(job.root_id)
    if not modes:
        return None
    found = None
    if job.status == PENDING and job.parent_id is not None and modes.get(job.parent_id) == PENDING_CHILDREN:
        found = PENDING_CHILDREN
    row: Job | None = job
    while row is not None:
        mode = modes.get(row.id)
        if mode == ALL:
            return ALL
        if mode == STOP:
            found = STOP
        row = ledger.get(row.parent_id) if row.parent_id is not None else None
    return found


def _announce(ledger: Ledger, job: Job, before: int, to: JobStatus) -> None:
    at = job.started_at if to == RUNNING else job.finished_at if to.is_terminal else ledger.now
    common: dict[str, Any] = {"job_id": job.id, "root_id": job.root_id, "kind": job.kind, "at": at}
    ledger.tell(JobStatusChanged(**common, before=WORDS[before], after=to.word, round=job.round))
    match to:
        case S.RUNNING:
            ledger.tell(JobStarted(**common, attempt=job.attempt, round=job.round))
        case S.COMPLETED:
            ledger.tell(JobCompleted(**common, round=job.round, warnings=job.warnings))
        case S.FAILED:
            message, print_ = error_summary(job)
            ledger.tell(JobFailed(**common, round=job.round, error=message, fingerprint=print_))
        case S.CANCELLED:
            ledger.tell(JobCancelled(**common, round=job.round, reason=job.reason))
    if job.is_step and to.is_terminal:
        ledger.tell(StepFinished(**common, step=job.name or "", status=to.word, round=job.round))


def error_summary(job: Job) -> tuple[str, str | None]:
    """(message, fingerprint) of the error a job stands on."""
    if not job.error:
        return "", None
    error = msgspec.json.decode(job.error)
    return error.get("message", ""), error.get("fingerprint")
