"""Children by what is remarkable about them: who took longest, who was silent longest. The first few, never all."""

import asyncio
from dataclasses import replace

from quaero.domain.errors import InvalidInput
from quaero.domain.job import Job
from quaero.domain.wire import rfc3339, wire_job
from quaero.gateway.listing import ChildrenQuery, JobList, parse_statuses, step_names
from quaero.gateway.state import Gateway
from quaero.storage.port import EntryFilter, JobFilter, Store

RANKINGS = ("-duration", "-silent")
MOST = 200


async def ranked_children(gateway: Gateway, query: ChildrenQuery, where: JobFilter) -> JobList:
    """The first children by this order; one page."""
    if query.cursor or query.offset:
        raise InvalidInput(f"order {query.order} has one page: leave cursor and offset out")
    limit = min(query.limit, MOST)
    store = gateway.store
    if query.order == "-duration":
        wanted = replace(
            where, statuses=parse_statuses(query.status), kind=query.kind, tag=query.tag, q=query.q or None
        )
        found = await gateway.longest.get((wanted, limit), lambda: store.longest(wanted, limit=limit))
        return await _page(store, found, limit)
    if query.status or query.kind or query.tag or query.q or where.fingerprint:
        raise InvalidInput("order -silent is about all running children: leave the other filters out")
    quiet = await store.quietest(where.parent_id or 0, limit=limit)
    return _with_silence(await _page(store, quiet, limit), await _last_words(store, quiet))


async def _page(store: Store, found: list[Job], limit: int) -> JobList:
    names = await step_names(store, found)
    return JobList(
        jobs=[wire_job(job, names) for job in found],
        total_count=len(found),
        total_is_lower_bound=len(found) == limit,
        limit=limit,
        next_cursor=None,
    )


def _with_silence(page: JobList, since: dict[str, str]) -> JobList:
    """The page with when each of its jobs said something last."""
    return JobList(page.jobs, page.total_count, page.total_is_lower_bound, page.limit, page.next_cursor, since)


async def _last_words(store: Store, jobs: list[Job]) -> dict[str, str]:
    """When each job said something last; a job's row knows the number of its last entry, the journal its time."""
    pages = await asyncio.gather(
        *(
            store.entries(job.root_id, EntryFilter(job_id=job.id, below=False), after=job.last_seq - 1, limit=1)
            for job in jobs
        )
    )
    return {
        str(job.id): rfc3339(page.entries[0].at if page.entries else job.started_at)
        for job, page in zip(jobs, pages, strict=True)
    }
