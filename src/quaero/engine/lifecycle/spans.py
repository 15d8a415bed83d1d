"""When an attempt began and ended: the executor's word, held against the store's clock.

A commit comes after what it records, sometimes by a second, so it dates nothing that a handler did. The executor says
when its handler began and ended, by the clock of its machine, which may be off. The store's clock is the one all share
and has the last word: an attempt begins when its job was free to be reserved at the earliest, and ends when it is
recorded at the latest. Where a start is moved for that, its end is moved as much, so how long it took stays true.
"""

from quaero.domain.facts import Ended
from quaero.domain.job import Job


def free_since(job: Job) -> int:
    """Since when a reserved job could have begun."""
    return job.run_at or job.created_at


def start_of(job: Job, at: int, now: int) -> int:
    """The start of an attempt that an executor dates `at`, recorded `now`."""
    return min(max(at, free_since(job)), now)


def end_of(job: Job, end: Ended, now: int) -> int:
    """The end of an attempt whose start is recorded."""
    moved = job.started_at - end.began_at if end.began_at else 0
    return max(job.started_at, min(end.at + moved, now))


def span_of(job: Job, end: Ended, now: int) -> tuple[int, int]:
    """The start and the end of an attempt that become known together."""
    began = end.began_at or end.at
    if free_since(job) <= began <= end.at <= now:
        return began, end.at
    ahead = max(0, end.at - now)
    start = start_of(job, began - ahead, now)
    return start, max(start, min(start + end.at - began, now))
