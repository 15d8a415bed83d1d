"""Lists of jobs: filters, order and paging of `GET /api/jobs` and of a job's children. Never truncated in silence."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Literal

import msgspec

from quaero.domain.errors import InvalidInput
from quaero.domain.job import Job
from quaero.domain.status import BY_WORD, WORDS, JobStatus
from quaero.domain.wire import WireJob, parse_id, parse_time, wire_job
from quaero.gateway.state import Gateway
from quaero.storage.port import JobFilter, JobPage, Store

MAX_LIMIT = 1_000
Limit = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)]
Offset = Annotated[int, msgspec.Meta(ge=0, le=100_000)]  # deeper pages are reached by cursor

Order = Literal["-created_at", "created_at"]
ChildOrder = Literal["-created_at", "created_at", "-duration", "-silent"]


class JobsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which jobs to list. `status` is a comma list; `parent_id` an id or `root`; `order` by time of creation.

    `q` is looked for in name, kind and key, or is an id. `created_after` and `created_before` are RFC 3339 times.
    """

    limit: Limit = 50
    cursor: str | None = None
    offset: Offset = 0
    status: str = ""
    kind: str | None = None
    tag: str | None = None
    definition: str | None = None
    parent_id: str = "root"
    q: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    order: Order = "-created_at"


class ChildrenQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which children to list: as `JobsQuery`, within one parent.

    `order` may also be `-duration` (those that took longest, or have so far) or `-silent` (running ones, those whose
    last entry lies furthest back first): the first 200 at most, on one page.
    """

    limit: Limit = 50
    cursor: str | None = None
    offset: Offset = 0
    status: str = ""
    kind: str | None = None
    tag: str | None = None
    q: str | None = None
    fingerprint: str | None = None
    order: ChildOrder = "-created_at"


class JobList(msgspec.Struct, frozen=True):
    """A page of jobs. `next_cursor` is null on the last one; a page that is not full may have one to follow.

    `silent_since` is there with the order `-silent`: when each of these jobs said something last, by id.
    """

    jobs: list[WireJob]
    total_count: int
    total_is_lower_bound: bool
    limit: int
    next_cursor: str | None
    silent_since: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


def parse_statuses(words: str) -> tuple[JobStatus, ...]:
    """The statuses a comma list names. Raises InvalidInput with the words there are."""
    wanted = [word.strip() for word in words.split(",") if word.strip()]
    if unknown := [word for word in wanted if word not in BY_WORD]:
        raise InvalidInput(f"status {unknown[0]!r} is unknown: use {', '.join(WORDS)}")
    return tuple(BY_WORD[word] for word in wanted)


def bounded(name: str, value: int, low: int, high: int) -> int:
    """The value, if it is within its bounds. Raises InvalidInput."""
    if not low <= value <= high:
        raise InvalidInput(f"{name} is {value}: it must be {low} to {high:,}")
    return value


async def list_jobs(gateway: Gateway, query: JobsQuery | ChildrenQuery, where: JobFilter) -> JobList:
    """The page of jobs a query asks for, within `where`."""
    limit = query.limit
    where = replace(
        where,
        statuses=parse_statuses(query.status),
        kind=query.kind,
        tag=query.tag,
        q=query.q or None,
        descending=query.order == "-created_at",
    )
    page = await _page(gateway.store, where, limit, query)
    names = await step_names(gateway.store, page.jobs)
    return JobList(
        jobs=[wire_job(job, names) for job in page.jobs],
        total_count=page.total,
        total_is_lower_bound=page.total_is_lower_bound,
        limit=limit,
        next_cursor=None if page.next_after is None else f"j{page.next_after}",
    )


async def _page(store: Store, where: JobFilter, limit: int, query: JobsQuery | ChildrenQuery) -> JobPage:
    after = list_position(query.cursor)
    to_skip = query.offset
    if to_skip and after is not None:
        raise InvalidInput("give a cursor or an offset, not both")
    while to_skip and where.is_sparse:  # one read walks only so far
        page = await store.jobs(where, limit=min(to_skip, MAX_LIMIT), after=after)
        if page.next_after is None:
            return replace(page, jobs=[])
        to_skip -= len(page.jobs)
        after = page.next_after
    return await store.jobs(where, limit=limit, after=after, skip=to_skip)


def list_position(cursor: str | None) -> int | None:
    """The id a list's cursor goes on after, None at its beginning. Raises InvalidInput."""
    if not cursor:
        return None
    position = parse_id(cursor[1:]) if cursor[0] == "j" else None
    if position is None:
        raise InvalidInput(f"cursor {cursor[:40]!r} is not one of a job list: take it from next_cursor")
    return position


def jobs_filter(query: JobsQuery) -> JobFilter:
    """Which jobs a query is about, and when they were made."""
    return replace(
        within(query.parent_id),
        definition=query.definition,
        created_after=moment("created_after", query.created_after),
        created_before=moment("created_before", query.created_before),
    )


def within(parent_id: str) -> JobFilter:
    """Roots, or the children of one job."""
    if parent_id == "root":
        return JobFilter(roots=True)
    number = parse_id(parent_id)
    if number is None:
        raise InvalidInput(f"parent_id {parent_id[:40]!r} is neither a job id nor `root`")
    return JobFilter(parent_id=number)


def moment(name: str, text: str | None) -> int | None:
    """The microseconds of an RFC 3339 time, None without one. Raises InvalidInput."""
    if not text:
        return None
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{name} {text[:40]!r} is not a time: write it like 2026-11-22T16:02:03Z") from None


async def step_names(store: Store, jobs: Iterable[Job]) -> Mapping[int, str]:
    """The names of the steps these jobs belong to, by id."""
    ids = {job.step_id for job in jobs if job.step_id is not None and not job.is_step}
    if not ids:
        return {}
    return {step.id: step.name or step.kind for step in await store.jobs_by_id(sorted(ids))}
