"""How a subscription tells of rows that changed: as rows (absolute jobs, for pages) or as typed messages (2.7).

A style says which keys a change makes due, and later writes whatever is due from what is then known. It holds what was
told only where a message needs it (how many children, which rounds have finished).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from quaero.domain import wirestate as wire
from quaero.domain.job import Job
from quaero.domain.status import CANCELLED, COMPLETED, FAILED, RUNNING
from quaero.domain.wire import rfc3339
from quaero.gateway.interest import Row
from quaero.gateway.topics import envelope, json_of

CRAWL = "crawler_job_progress"
Due = Iterator[tuple[str, bool]]  # message types, and whether they are urgent
_OF_STATUS = {RUNNING: "job_started", COMPLETED: "job_completed", FAILED: "job_failed", CANCELLED: "job_cancelled"}
_OLD_STATUS = frozenset(_OF_STATUS.values())


class Style(Protocol):
    """A way of telling."""

    def changed(self, row: Row, before: Job | None) -> Due:
        """What is to be told of a row that changed (`before`: None if it was not known)."""

    def told(self, keys: Iterable[tuple[str, Row]], now: int) -> Iterator[str]:
        """Messages about these rows, as they stand now."""

    def known(self, row: Row) -> None:
        """A snapshot told this row as it stands."""

    def forget(self, job_id: int) -> None:
        """A row is not shown any more."""


def ended(job: Job, before: Job | None) -> bool:
    """Whether a change is the end of a round."""
    return job.is_terminal and (before is None or not before.is_terminal or before.round != job.round)


class TypedStyle:
    """Messages of the types there are, of which `allowed` are sent."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self._children: dict[int, int] = {}
        self._finished: dict[int, int] = {}

    def changed(self, row: Row, before: Job | None) -> Due:
        """What differs decides: the status, the counts, the children, the lines of a step."""
        return (due for due in self._all_changed(row.job, before) if due[0] in self._allowed)

    def _all_changed(self, job: Job, before: Job | None) -> Due:
        if before is None or (before.status, before.round) != (job.status, job.round):
            urgent = ended(job, before)
            yield "job_status_change", urgent
            yield "job_update", urgent
            if job.status in _OF_STATUS:
                yield _OF_STATUS[job.status], urgent  # type: ignore[index]
        if job.is_branch and (before is None or before.tallies != job.tallies or ended(job, before)):
            yield "parent_job_progress", ended(job, before)
            if job.definition is not None:
                yield "manager_progress", ended(job, before)
            if job.tally.total > self._children.setdefault(job.id, before.tally.total if before else 0):
                yield "job_spawn", False
        if job.is_step:
            yield "step_progress", ended(job, before)
            yield "job_step_progress", ended(job, before)
            yield "refresh_step_events", ended(job, before)
        if job.kind == wire.CRAWLER and job.is_branch:
            yield CRAWL, ended(job, before)
        if job.is_root and (before is None or before.journal_head != job.journal_head):
            yield "refresh_logs", ended(job, before)

    def told(self, keys: Iterable[tuple[str, Row]], now: int) -> Iterator[str]:
        """One message each, but one for all steps whose events are to be fetched."""
        going, finished = [], []
        for kind, row in keys:
            if kind == "refresh_step_events":
                rounds = self._rounds_finished(row.job)
                finished += [row.job.id] * rounds
                going += [] if rounds else [row.job.id]
            elif kind == "job_spawn":
                count = row.job.tally.total - self._children.get(row.job.id, 0)
                self._children[row.job.id] = row.job.tally.total
                yield envelope(kind, json_of(wire.job_spawn(row.job, count, now)))
            elif kind == CRAWL:
                yield envelope(kind, row.made(kind, lambda job, row=row: wire.crawler_progress(job, now, row.page)))  # type: ignore[misc]
            elif kind in self._allowed and (kind not in _OLD_STATUS or _OF_STATUS.get(row.job.status) == kind):  # type: ignore[call-overload]
                yield envelope(kind, row.made(kind, lambda job, make=_MAKERS[kind]: make(job, now)))  # type: ignore[misc]
        for ids, is_end in ((going, False), (finished, True)):
            while ids:
                once = list(dict.fromkeys(ids))
                payload = wire.StepEvents(step_ids=[str(i) for i in once], timestamp=rfc3339(now), finished=is_end)
                yield envelope("refresh_step_events", json_of(payload))
                for job_id in once:
                    ids.remove(job_id)

    def _rounds_finished(self, step: Job) -> int:
        """How many rounds of a step have finished that were not told of yet."""
        through = step.round if step.is_terminal else step.round - 1
        before = self._finished.get(step.id, step.round - 1)
        self._finished[step.id] = through
        return max(0, through - before)

    def known(self, row: Row) -> None:
        """What was told with a snapshot is not told again as a change."""
        job = row.job
        self._children[job.id] = job.tally.total
        self._finished[job.id] = job.round if job.is_terminal else job.round - 1

    def forget(self, job_id: int) -> None:
        """A row is not shown any more."""
        self._children.pop(job_id, None)
        self._finished.pop(job_id, None)


_MAKERS: dict[str, Callable[[Job, int], object]] = {
    "job_status_change": wire.job_status_change,
    "job_update": wire.job_status_change,
    **dict.fromkeys(_OF_STATUS.values(), wire.job_status_change),
    "parent_job_progress": wire.parent_progress,
    "manager_progress": wire.parent_progress,
    "step_progress": wire.step_progress,
    "job_step_progress": wire.step_progress,
    "job_created": wire.job_created,
    "refresh_logs": wire.logs_moved,
}
