"""Reading a job's log a page at a time, from any position, in both directions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import msgspec

from quaero.domain.cursor import Cursor, resume
from quaero.domain.entries import Entry
from quaero.domain.wire import WireEntry, wire_entry
from quaero.gateway.finding import find_job
from quaero.gateway.listing import bounded
from quaero.gateway.routing import JobId, Routes
from quaero.gateway.scope import Scope, job_scope, level_of
from quaero.gateway.state import Gateway
from quaero.storage.port import EntryFilter, EntryPage, Store

routes = Routes()
MAX_LINES = 5_000
COUNTED_TO = 10_000


class LogsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which entries. `order` desc reads back from the newest (or before `cursor`), asc on from the oldest.

    `from_line` is a line number of the step or job asked for, or a `seq` where several counters are shown;
    `from_seq` is a `seq` anywhere.
    """

    limit: int = 1000
    level: str = "debug"
    step: str | None = None
    include_children: bool = True
    order: Literal["asc", "desc"] = "desc"
    cursor: str | None = None
    from_line: int = 0
    from_seq: int = 0
    q: str | None = None


class LogPage(msgspec.Struct, frozen=True):
    """A page of entries. `mode` is `reset` when the cursor was of another store or tree, so reading began again.

    `next_cursor` goes on in the same direction, `prev_cursor` in the other one from the side where the page began: of a
    first page it is the live end. `oldest` and `head` are the positions of the whole tree's journal.
    """

    logs: list[WireEntry]
    count: int
    total_count: int
    total_is_lower_bound: bool
    next_cursor: str | None
    prev_cursor: str | None
    head: int
    oldest: int
    mode: str


@routes.get("/api/jobs/{id}/logs")
async def get_logs(gateway: Gateway, id: JobId, query: LogsQuery) -> LogPage:
    """Entries of a job and all below it, newest first; `next_cursor` goes on in the same direction."""
    store = gateway.store
    limit = bounded("limit", query.limit, 1, MAX_LINES)
    job = await find_job(store, id)
    scope = await job_scope(store, job, step=query.step, below=query.include_children)
    where = replace(scope.where, level=level_of(query.level), q=query.q or None)
    start = resume(query.cursor, incarnation=store.incarnation, root_id=scope.root_id)
    after, descending = start.seq, query.order == "desc"
    if query.from_line and not after:
        after, descending = await _before_line(store, scope, query.from_line), False
    elif query.from_seq and not after:
        after, descending = query.from_seq - 1, False
    page = await store.entries(scope.root_id, where, after=after, limit=limit, descending=descending)
    ends = page.scanned_to <= page.oldest if descending else page.scanned_to >= page.head
    token = Cursor(store.incarnation, scope.root_id, page.scanned_to).token
    is_all = ends and (after == 0 or after < page.oldest)
    total, is_bound = await _total(store, scope, where, len(page.entries) if is_all else None)
    return LogPage(
        logs=await in_scope(store, scope, page.entries),
        count=len(page.entries),
        total_count=total,
        total_is_lower_bound=is_bound,
        next_cursor=None if descending and ends else token,
        prev_cursor=_back(store, scope, after, descending, page),
        head=page.head,
        oldest=page.oldest,
        mode="reset" if start.reset else "page",
    )


def _back(store: Store, scope: Scope, after: int, descending: bool, page: EntryPage) -> str | None:
    """Where the other direction goes on from the side on which this page began; None before the oldest entry."""
    if descending:
        return Cursor(store.incarnation, scope.root_id, after - 1 if after else page.head).token
    return Cursor(store.incarnation, scope.root_id, after + 1).token if after >= page.oldest else None


async def in_scope(store: Store, scope: Scope, entries: Sequence[Entry]) -> list[WireEntry]:
    """Entries as readers of this scope see them: a child's change of status tells its parent's counts there."""
    changed = {entry.job_id for entry in entries if entry.job_id != scope.job_id and "status" in (entry.fields or ())}
    jobs = await store.jobs_by_id(sorted(changed)) if changed else []
    children = {job.id for job in jobs if job.parent_id == scope.job_id and not job.is_step}
    return [wire_entry(entry, scope.names, in_parent=entry.job_id in children) for entry in entries]


async def _total(store: Store, scope: Scope, where: EntryFilter, seen: int | None) -> tuple[int, bool]:
    """How many entries match: known for whole logs and for pages that show all (`seen`), else counted, to a bound."""
    if seen is not None:
        return seen, False
    if scope.total is not None and not where.level and where.q is None:
        return scope.total, False
    return await store.count_entries(scope.root_id, where, most=COUNTED_TO)


async def _before_line(store: Store, scope: Scope, line: int) -> int:
    """The position right before a line number."""
    return await store.before_line(scope.root_id, scope.job_id, line) if scope.one_counter else line - 1
