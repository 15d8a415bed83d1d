"""How changes of state look on the WebSocket: the messages of `/ws`, as typed structs made from a job's record.

Every one carries absolute values with the job's `version` and `log_head`, so that one that comes twice or late does no
harm. Pure: nothing is read here and nobody is told.
"""

from collections.abc import Mapping

import msgspec

from quaero.domain.job import Job
from quaero.domain.status import WORDS
from quaero.domain.tally import progress_text
from quaero.domain.wire import WireJob, log_head, rfc3339, wire_job, wire_tally
from quaero.domain.wiretree import WireEta, duration_ms

MOST_INLINE = 4_096  # bytes of a payload or result that go along with a row

CRAWLER = "crawler"
_UNSET = msgspec.UNSET


class WireRow(WireJob, frozen=True, kw_only=True):
    """A job as a list shows it live: with its ETA and pace while it has open jobs below.

    `omitted` names what was too large for a list; `GET /api/jobs/{id}` has it. `rate` is jobs finished per second.
    """

    duration_ms: int | None
    eta: WireEta | msgspec.UnsetType = _UNSET
    rate: float | msgspec.UnsetType = _UNSET
    omitted: list[str] | msgspec.UnsetType = _UNSET


class JobStatusChange(msgspec.Struct, frozen=True, kw_only=True):
    """A job stands in another status, or in a new round."""

    job_id: str
    parent_id: str | msgspec.UnsetType
    root_id: str
    status: str
    kind: str
    job_type: str
    name: str | None
    round: int
    version: int
    log_head: int
    progress_text: str
    error: msgspec.Raw | msgspec.UnsetType
    duration_ms: int | msgspec.UnsetType
    timestamp: str


class ParentProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The counts below a parent; `running` until all below it are terminal."""

    job_id: str
    status: str
    progress_text: str
    total_children: int
    pending_children: int
    running_children: int
    completed_children: int
    failed_children: int
    cancelled_children: int
    version: int
    log_head: int
    timestamp: str


class StepProgress(msgspec.Struct, frozen=True, kw_only=True):
    """A step as it stands; `manager_id` is its root."""

    step_id: str
    manager_id: str
    step_name: str
    status: str
    total: int
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int
    progress_text: str
    version: int
    log_head: int
    timestamp: str


class CrawlerProgress(msgspec.Struct, frozen=True, kw_only=True):
    """A crawl as it stands: its counts of jobs, links and pages."""

    job_id: str
    root_id: str
    status: str
    total: int
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int
    links_found: int
    links_filtered: int
    pages: int
    current_url: str | None
    progress_text: str
    version: int
    log_head: int
    timestamp: str


class JobCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A job was accepted."""

    job_id: str
    parent_id: str | None
    root_id: str
    kind: str
    job_type: str
    name: str | None
    status: str
    count: int
    version: int
    log_head: int
    timestamp: str


class JobSpawn(msgspec.Struct, frozen=True, kw_only=True):
    """A parent has more children: `count` since it was last told, `total_children` in all."""

    parent_job_id: str
    root_id: str
    count: int
    total_children: int
    version: int
    log_head: int
    timestamp: str


class StepEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Something was recorded in these steps; `finished`: the last line of their round is readable."""

    step_ids: list[str]
    timestamp: str
    finished: bool


class LogsMoved(msgspec.Struct, frozen=True, kw_only=True):
    """Something was recorded in a tree."""

    job_id: str
    log_head: int
    version: int
    timestamp: str


def wire_row(job: Job, names: Mapping[int, str], *, now: int, eta: WireEta | None, rate: float | None) -> WireRow:
    """A job as a list shows it live."""
    large = [
        name for name in ("payload", "result") if (value := getattr(job, name)) is not None and len(value) > MOST_INLINE
    ]
    fields = msgspec.structs.asdict(wire_job(job, names))
    fields.update(dict.fromkeys(large, msgspec.Raw(b"null")))
    return WireRow(
        **fields,
        duration_ms=duration_ms(job, now),
        eta=eta if eta is not None else _UNSET,
        rate=round(rate, 2) if rate is not None else _UNSET,
        omitted=large or _UNSET,
    )


def job_status_change(job: Job, now: int) -> JobStatusChange:
    """Where a job stands."""
    lasted = duration_ms(job, now)
    return JobStatusChange(
        job_id=str(job.id),
        parent_id=_UNSET if job.parent_id is None else str(job.parent_id),
        root_id=str(job.root_id),
        status=WORDS[job.status],
        kind=job.kind,
        job_type=job.kind,
        name=job.name,
        round=job.round,
        version=job.version,
        log_head=log_head(job),
        progress_text=progress_text(job.shown_tally),
        error=msgspec.Raw(job.error) if job.error else _UNSET,
        duration_ms=_UNSET if lasted is None else lasted,
        timestamp=rfc3339(now),
    )


def parent_progress(job: Job, now: int) -> ParentProgress:
    """The counts below a parent."""
    tally = wire_tally(job.shown_tally)
    return ParentProgress(
        job_id=str(job.id),
        status=WORDS[job.status] if job.is_terminal else "running",
        progress_text=progress_text(job.shown_tally),
        total_children=tally.total,
        pending_children=tally.pending,
        running_children=tally.running,
        completed_children=tally.completed,
        failed_children=tally.failed,
        cancelled_children=tally.cancelled,
        version=job.version,
        log_head=log_head(job),
        timestamp=rfc3339(now),
    )


def step_progress(step: Job, now: int) -> StepProgress:
    """A step as it stands."""
    return StepProgress(
        step_id=str(step.id),
        manager_id=str(step.root_id),
        step_name=step.name or step.kind,
        status=WORDS[step.status],
        **msgspec.structs.asdict(wire_tally(step.shown_tally)),
        progress_text=progress_text(step.shown_tally),
        version=step.version,
        log_head=log_head(step),
        timestamp=rfc3339(now),
    )


def crawler_progress(job: Job, now: int, current_url: str | None) -> CrawlerProgress:
    """A crawl as it stands, and the page that began last."""
    counts = msgspec.json.decode(job.counts, type=dict[str, float]) if job.counts else {}
    return CrawlerProgress(
        job_id=str(job.id),
        root_id=str(job.root_id),
        status=WORDS[job.status],
        **msgspec.structs.asdict(wire_tally(job.shown_tally)),
        links_found=int(counts.get("links_found", 0)),
        links_filtered=int(counts.get("links_filtered", 0)),
        pages=int(counts.get("pages", 0)),
        current_url=current_url,
        progress_text=progress_text(job.shown_tally),
        version=job.version,
        log_head=log_head(job),
        timestamp=rfc3339(now),
    )


def job_created(job: Job, now: int, count: int = 1) -> JobCreated:
    """A job was accepted; with `count`, it stands for the newest of many."""
    return JobCreated(
        job_id=str(job.id),
        parent_id=None if job.parent_id is None else str(job.parent_id),
        root_id=str(job.root_id),
        kind=job.kind,
        job_type=job.kind,
        name=job.name,
        status=WORDS[job.status],
        count=count,
        version=job.version,
        log_head=log_head(job),
        timestamp=rfc3339(now),
    )


def job_spawn(job: Job, count: int, now: int) -> JobSpawn:
    """A parent has `count` more children than were told of."""
    return JobSpawn(
        parent_job_id=str(job.id),
        root_id=str(job.root_id),
        count=count,
        total_children=job.tally.total,
        version=job.version,
        log_head=log_head(job),
        timestamp=rfc3339(now),
    )


def logs_moved(root: Job, now: int) -> LogsMoved:
    """Something was recorded in a tree."""
    return LogsMoved(job_id=str(root.id), log_head=root.journal_head, version=root.version, timestamp=rfc3339(now))
