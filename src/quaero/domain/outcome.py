"""How things end: the outcome table as pure functions.

| case | rule |
|---|---|
| own failure for good | pending children are cancelled, running ones finish, then `failed` |
| sealed, all children terminal | more failed than tolerated: `failed`; all cancelled: `cancelled`; else `completed` |
| `failure_action` past the limit | `stop_all` cancels the rest of the tree; `mark_warning` completes all the same |
| attempt failed | again after a back-off while attempts are left, else for good |
"""

from enum import Enum, auto

from quaero.domain.job import Job
from quaero.domain.status import JobStatus

ANY_NUMBER = -1
BACKOFF_BASE = 1_000_000  # microseconds
BACKOFF_CAP = 300_000_000


def is_over_tolerance(job: Job) -> bool:
    """Whether more direct children failed than this job bears."""
    failed = job.tallies[JobStatus.FAILED] - job.excused if job.tallies else 0
    return job.tolerated != ANY_NUMBER and failed > job.tolerated


def closing_status(job: Job, *, under_cancel: bool) -> JobStatus:
    """The terminal status of a sealed job all of whose children are terminal."""
    if job.own_failed:
        return JobStatus.CANCELLED if under_cancel else JobStatus.FAILED
    if under_cancel:
        return JobStatus.CANCELLED
    if is_over_tolerance(job) and job.failure_action != "mark_warning":
        return JobStatus.FAILED
    tally = job.tally
    if job.reason is not None or (tally.total and tally.cancelled == tally.total):
        return JobStatus.CANCELLED  # a reason: its own function was stopped
    return JobStatus.COMPLETED


class Next(Enum):
    """What follows a failed attempt."""

    RETRY = auto()
    FAIL = auto()


def after_failure(job: Job, *, final: bool) -> Next:
    """Whether a failed attempt is tried again."""
    return Next.FAIL if final or job.attempt >= job.max_attempts else Next.RETRY


def backoff(attempt: int, chance: float, retry_after: float | None = None) -> int:
    """Microseconds to wait before the next attempt: exponential with full jitter (`chance` in [0, 1)), capped.

    A handler's own `retry_after` (seconds) is honoured as a floor. Source: the "full jitter" of Amazon's
    architecture blog, which spreads retries of many failed jobs best.
    """
    ceiling = min(BACKOFF_CAP, BACKOFF_BASE << max(0, attempt - 1))
    floor = round(retry_after * 1_000_000) if retry_after else 0
    return floor + round(ceiling * chance)
