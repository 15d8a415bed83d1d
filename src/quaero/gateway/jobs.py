"""Reading jobs: lists, one job, its children, its tree, its failures."""

from typing import Annotated

import msgspec

from quaero.domain.errors import InvalidInput
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.domain.wire import parse_id, rfc3339
from quaero.domain.wiretree import WireErrorGroup, WireJobDetail, WireTree, wire_job_detail, wire_step, wire_tree
from quaero.gateway.finding import find_job
from quaero.gateway.listing import (
    ChildrenQuery,
    JobList,
    JobsQuery,
    jobs_filter,
    list_jobs,
    step_names,
)
from quaero.gateway.ranking import RANKINGS, ranked_children
from quaero.gateway.routing import JobId, Routes
from quaero.gateway.state import Gateway
from quaero.storage.port import ErrorGroup, JobFilter, Store

routes = Routes()
SHOWN_GROUPS = 10  # per step of the tree view; `/errors` has them all


class FailureGroup(msgspec.Struct, frozen=True):
    """Failures of one fingerprint in a tree."""

    fingerprint: str
    message: str
    count: int
    first_seen: str
    last_seen: str
    example_job_ids: list[str]


class FailureList(msgspec.Struct, frozen=True):
    """A page of the failures of a tree, most frequent first. `total_count` is the number of groups."""

    errors: list[FailureGroup]
    total_count: int
    next_cursor: str | None


class ErrorsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """How many groups, from where on."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 100
    cursor: str | None = None


@routes.get("/api/jobs")
async def get_jobs(gateway: Gateway, query: JobsQuery) -> JobList:
    """Jobs, newest first: roots unless `parent_id` names a parent."""
    return await list_jobs(gateway, query, jobs_filter(query))


@routes.get("/api/jobs/{id}")
async def get_job(gateway: Gateway, id: JobId) -> WireJobDetail:
    """One job, with its steps and a range for its end where it has them."""
    job = await find_job(gateway.store, id)
    steps = await gateway.store.steps(job.id) if job.is_root and job.definition is not None else []
    names = await step_names(gateway.store, [job])
    return wire_job_detail(job, steps, names, now=gateway.clock.now())


@routes.get("/api/jobs/{id}/children")
async def get_children(gateway: Gateway, id: JobId, query: ChildrenQuery) -> JobList:
    """The direct children of a job, a page at a time."""
    job = await find_job(gateway.store, id)
    where = JobFilter(parent_id=job.id, fingerprint=query.fingerprint)
    if query.order in RANKINGS:
        return await ranked_children(gateway, query, where)
    return await list_jobs(gateway, query, where)


@routes.get("/api/jobs/{id}/tree")
async def get_tree(gateway: Gateway, id: JobId) -> WireTree:
    """The tree a job belongs to: its root and the steps with what is below them, counted."""
    store = gateway.store
    job = await find_job(store, id)
    root = job if job.is_root else await find_job(store, job.root_id)
    steps = await store.steps(root.id)
    failed = [step for step in steps if step.below[JobStatus.FAILED]]
    groups = await store.errors(root.id) if failed else []
    now = gateway.clock.now()
    shown = [wire_step(step, await _groups_of(store, step, failed, groups), now) for step in steps]
    return wire_tree(root, shown)


async def _groups_of(store: Store, step: Job, failed: list[Job], groups: list[ErrorGroup]) -> list[WireErrorGroup]:
    """The failures of one step. Groups are counted per tree, so where several steps failed each asks for its own."""
    if step not in failed:
        return []
    if len(failed) == 1:
        return [
            WireErrorGroup(g.message, g.count, str(g.example_ids[0])) for g in groups[:SHOWN_GROUPS] if g.example_ids
        ]
    found = []
    for group in groups[:SHOWN_GROUPS]:
        page = await store.jobs(JobFilter(parent_id=step.id, fingerprint=group.fingerprint), limit=1)
        if page.jobs:
            found.append(WireErrorGroup(group.message, page.total, str(page.jobs[0].id)))
    return found


@routes.get("/api/jobs/{id}/errors")
async def get_errors(gateway: Gateway, id: JobId, query: ErrorsQuery) -> FailureList:
    """The failures of the tree a job belongs to, grouped by what failed, most frequent first."""
    limit = query.limit
    start = parse_id(query.cursor) if query.cursor else 0
    if start is None:
        raise InvalidInput(f"cursor {(query.cursor or '')[:40]!r} is not one of this list: take it from next_cursor")
    job = await find_job(gateway.store, id)
    groups = await gateway.store.errors(job.id)
    shown = [failure_group(group) for group in groups[start : start + limit]]
    return FailureList(shown, len(groups), str(start + limit) if start + limit < len(groups) else None)


def failure_group(group: ErrorGroup) -> FailureGroup:
    """A group of failures in its public form."""
    return FailureGroup(
        fingerprint=group.fingerprint,
        message=group.message,
        count=group.count,
        first_seen=rfc3339(group.first_at),
        last_seen=rfc3339(group.last_at),
        example_job_ids=[str(job_id) for job_id in group.example_ids],
    )
