"""Reading a log a page at a time, from any position, in both directions; or all of it, as text."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Literal

import msgspec

from quaero.domain.cursor import Cursor, resume
from quaero.domain.entries import Entry
from quaero.domain.errors import InvalidInput
from quaero.domain.printable import clean
from quaero.domain.status import WORDS
from quaero.domain.wire import WireEntry, parse_id, wire_entry
from quaero.gateway.answers import Stream
from quaero.gateway.finding import find_job
from quaero.gateway.listing import bounded
from quaero.gateway.routing import JobId, Media, Routes
from quaero.gateway.scope import Scope, job_scope, level_of, service_scope
from quaero.gateway.state import Gateway
from quaero.storage.port import EntryFilter, EntryPage, Store

routes = Routes()
MAX_LINES, MAX_SERVICE_LINES = 5_000, 500
DOWNLOADED_AT_ONCE = 2_000
NEWEST = 1 << 62
COUNTED_TO = 10_000


class LogsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which entries. `order` desc reads back from the newest (or before `cursor`), asc on from the oldest.

    `from_line` is a line number of the step or job asked for, or a `seq` where several counters are shown;
    `from_seq` is a `seq` anywhere. `children` (`8..15`) are those of the job, or of its `step`, from one id to another,
    with all below them.
    """

    limit: int = 1000
    level: str = "debug"
    step: str | None = None
    children: str | None = None
    include_children: bool = True
    order: Literal["asc", "desc"] = "desc"
    cursor: str | None = None
    from_line: int = 0
    from_seq: int = 0
    q: str | None = None


class AggregatedQuery(msgspec.Struct, forbid_unknown_fields=True):
    """As `LogsQuery`, of everything below a job together."""

    limit: int = 1000
    level: str = "debug"
    children: str | None = None
    include_children: bool = True
    order: Literal["asc", "desc"] = "asc"
    cursor: str | None = None
    from_seq: int = 0
    q: str | None = None


class ScopedLogsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """As `LogsQuery`; `scope` is `service`, or `job` with its `job_id`."""

    scope: Literal["service", "job"] = "service"
    job_id: str | None = None
    step: str | None = None
    children: str | None = None
    level: str = "info"
    limit: int = 100
    order: Literal["asc", "desc"] = "desc"
    cursor: str | None = None
    include_children: bool = True
    from_line: int = 0
    from_seq: int = 0
    q: str | None = None


class DownloadQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which entries: of a step, of some `children`, of a level and above, of the job alone or of all below it too."""

    step: str | None = None
    children: str | None = None
    level: str = "debug"
    include_children: bool = True


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


class StepLogs(msgspec.Struct, frozen=True):
    """The entries of one step; `total_count` of the level asked for, `unfiltered_count` of any."""

    step_name: str
    step_id: str
    status: str
    logs: list[WireEntry]
    total_count: int
    unfiltered_count: int


class ScopedLogPage(LogPage, frozen=True, kw_only=True):
    """A page of entries; with a `step` also as that step's."""

    steps: list[StepLogs] | msgspec.UnsetType = msgspec.UNSET


@routes.get("/api/jobs/{id}/logs")
async def get_logs(gateway: Gateway, id: JobId, query: LogsQuery) -> LogPage:
    """Entries of a job and all below it, newest first; `next_cursor` goes on in the same direction."""
    job = await find_job(gateway.store, id)
    scope = await job_scope(gateway.store, job, step=query.step, children=query.children, below=query.include_children)
    return await _page(gateway.store, scope, query, query.from_line)


@routes.get("/api/jobs/{id}/logs/aggregated")
async def get_aggregated_logs(gateway: Gateway, id: JobId, query: AggregatedQuery) -> LogPage:
    """Entries of a job and all below it as one log, oldest first."""
    job = await find_job(gateway.store, id)
    scope = await job_scope(gateway.store, job, children=query.children, below=query.include_children)
    return await _page(gateway.store, scope, query)


@routes.get("/api/logs")
async def get_scoped_logs(gateway: Gateway, query: ScopedLogsQuery) -> ScopedLogPage:
    """Entries of the service log, or of a job's: `scope=job&job_id=J`, of one `step` of it if that is given."""
    store = gateway.store
    if query.scope == "service":
        if query.job_id is not None or query.step is not None or query.children is not None:
            raise InvalidInput("job_id, step and children need scope=job")
        bounded("limit", query.limit, 1, MAX_SERVICE_LINES)
        found = await _page(store, service_scope(0), query, query.from_line)
        return ScopedLogPage(**msgspec.structs.asdict(found))
    job_id = parse_id(query.job_id or "")
    if job_id is None:
        raise InvalidInput("scope=job needs the job_id of a job")
    job = await find_job(store, job_id)
    scope = await job_scope(store, job, step=query.step, children=query.children, below=query.include_children)
    found = await _page(store, scope, query, query.from_line)
    steps = [await _step_logs(store, scope, found)] if query.step is not None else msgspec.UNSET
    return ScopedLogPage(**msgspec.structs.asdict(found), steps=steps)


async def _step_logs(store: Store, scope: Scope, found: LogPage) -> StepLogs:
    step = await find_job(store, scope.job_id)
    name, status = step.name or step.kind, WORDS[step.status]
    return StepLogs(name, str(step.id), status, found.logs, found.total_count, step.lines)


@routes.get("/api/jobs/{id}/logs/download", answers={200: Media("text/plain")})
async def download_logs(gateway: Gateway, id: JobId, query: DownloadQuery) -> Stream:
    """All entries of a job and of what is below it as text, however many, a line each."""
    job = await find_job(gateway.store, id)
    level = level_of(query.level)
    scope = await job_scope(
        gateway.store, job, step=query.step, children=query.children, below=query.include_children, level=level
    )
    name = b'attachment; filename="job-%d.log"' % scope.job_id
    return Stream(_text(gateway, scope), b"text/plain; charset=utf-8", ((b"content-disposition", name),))


async def _text(gateway: Gateway, scope: Scope) -> AsyncIterator[bytes]:
    """What was recorded when it was asked for, a page at a time."""
    selection = gateway.feed.selection(scope)
    position, head = 0, 1
    while position < head:
        page = await gateway.feed.read_behind(scope.root_id, position, head if position else NEWEST, DOWNLOADED_AT_ONCE)
        if not page.head:
            return  # it was deleted meanwhile
        head = head if position else page.head
        position = max(page.to, position + 1)
        for batch in selection.batches(page.stretches):
            lines = [_line(selection.shown(entry)) for entry in await selection.own(batch)]
            if lines:
                yield "".join(lines).encode()


def _line(entry: WireEntry) -> str:
    where = f"[{entry.step}] job {entry.job_id}" if entry.step else f"job {entry.job_id}"
    return f"{entry.timestamp} {entry.level.upper():5} {where}: {clean(entry.message)}\n"


async def _page(
    store: Store, scope: Scope, query: LogsQuery | AggregatedQuery | ScopedLogsQuery, from_line: int = 0
) -> LogPage:
    limit = bounded("limit", query.limit, 1, MAX_LINES)
    where = replace(scope.where, level=level_of(query.level), q=query.q or None)
    start = resume(query.cursor, incarnation=store.incarnation, root_id=scope.root_id)
    after, descending = start.seq, query.order == "desc"
    if from_line and not after:
        after, descending = await _before_line(store, scope, from_line), False
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
        total_count=max(total, len(page.entries)),
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
