"""The short ways of a leaf that nothing waits for: through its start to completion in one commit, or to cancellation.

Most jobs of a large fan-out go one of them, many siblings at a time. They record exactly what `start`, `seal` and
`finish` would: a test compares the two.
"""

from collections.abc import Sequence

from quaero.domain.entries import Level
from quaero.domain.facts import Ended, How
from quaero.domain.job import Job
from quaero.domain.status import CANCELLED, COMPLETED, PENDING
from quaero.engine.lifecycle.closing import close
from quaero.engine.lifecycle.spans import span_of
from quaero.storage.port import Ledger, Note, Siblings

_P, _C, _X = int(PENDING), int(COMPLETED), int(CANCELLED)
_DONE = int(How.COMPLETED)


class PlainLeaves:
    """Completed leaves of one record, gathered while they are one another's siblings.

    Of such a leaf nothing but the tallies above it and its parent learn: it is new, it was never told of, nobody waits
    for it, and neither a cancellation nor a subscriber looks on.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._jobs: list[Job] = []
        self._ends: list[Ended] = []
        self._parent_id: int | None = 0  # of those gathered; 0 is nobody's
        self._step_id: int | None = None
        self._may_be = is_quiet(ledger)

    def take(self, job: Job, end: Ended) -> bool:
        """Whether this end is one of those, and gathered."""
        if end.how != _DONE or job.status != _P or job.first_seq or job.is_branch or job.attempt:
            return False
        if not self._may_be or job.has_dependents or job.journal_head or end.documents:
            return False
        if job.parent_id != self._parent_id or job.step_id != self._step_id:
            self.record()
            if job.parent_id is not None and not self._ledger.get(job.root_id).started_at:
                return False
            self._parent_id, self._step_id = job.parent_id, job.step_id
        job.owner = None  # a second fact about it comes too late
        self._jobs.append(job)
        self._ends.append(end)
        return True

    def record(self) -> None:
        """Record what was gathered: whatever is recorded next comes after it."""
        if self._jobs:
            jobs, ends = self._jobs, self._ends
            self._jobs, self._ends = [], []
            run_through(self._ledger, jobs, ends)
        self._parent_id = 0

    def look_again(self) -> None:
        """Something else was recorded: it may have begun a cancellation."""
        self._may_be = is_quiet(self._ledger)


def is_quiet(ledger: Ledger) -> bool:
    """Whether no cancellation is under way and no event has a subscriber."""
    return not (ledger.cancel_lists or ledger.has_subscribers)


def run_through(ledger: Ledger, jobs: Sequence[Job], ends: Sequence[Ended]) -> None:
    """Record the starts and the completions of plain leaves, siblings or roots, in this order."""
    first, now, last = jobs[0], ledger.now, 0
    ledger.ran_through(jobs, ledger.child_level if first.parent_id is not None else Level.INFO)
    for tallies, offset in ledger.above(first):
        tallies[offset + _P] -= len(jobs)
        tallies[offset + _C] += len(jobs)
    for job, end in zip(jobs, ends, strict=True):
        job.status = _C
        job.attempt = job.sealed = 1
        job.started_at, job.finished_at = span_of(job, end, now)
        last = max(last, job.finished_at)
        job.result = end.result
    ledger.complete(jobs)
    _close_above(ledger, first, last)


def is_quiet_leaf(ledger: Ledger, job: Job) -> bool:
    """Whether a job that is pending or runs has nothing below it and nothing that waits for it."""
    return not (job.is_branch or job.has_dependents or ledger.has_subscribers) and job.parent_id is not None


def cancel_leaf(ledger: Ledger, job: Job, reason: str | None, at: int) -> None:
    """End such a job as cancelled."""
    for tallies, offset in ledger.above(job):
        tallies[offset + job.status] -= 1
        tallies[offset + _X] += 1
    job.status = _X
    job.sealed = 1
    job.ready = 0
    job.owner = None
    job.reason = reason
    job.finished_at = at
    ledger.note(job, Note(ledger.child_level, reason or "", _X))
    _close_above(ledger, job, at)


def cancel_queued(ledger: Ledger, siblings: Siblings, reason: str | None) -> None:
    """End leaves that had not begun as cancelled: what `cancel_leaf` does, without looking at each."""
    ledger.end_queued(siblings, CANCELLED, reason)
    for tallies, offset in ledger.above(siblings):
        tallies[offset + _P] -= len(siblings.ids)
        tallies[offset + _X] += len(siblings.ids)
    _close_above(ledger, siblings, ledger.now)


def _close_above(ledger: Ledger, job: Job | Siblings, at: int) -> None:
    if job.parent_id is not None:
        parent = ledger.get(job.parent_id)
        parent.finished_at = max(parent.finished_at, at)
        if parent.sealed and not parent.is_terminal and not parent.open_children:
            close(ledger, parent, parent.finished_at)
