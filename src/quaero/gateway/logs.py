"""Reading a job's log a page at a time, from any position, in both directions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from quaero.domain.cursor import Cursor, resume
from quaero.domain.entries import Entry, parse_level
from quaero.domain.errors import InvalidInput, NotFound
from quaero.domain.job import Job
from quaero.domain.wire import WireEntry, wire_entry
from quaero.gateway.listing import bounded, find_job
from quaero.gateway.routing import JobId, Routes
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


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose entries are read: of which job's, in which tree; which of them, the names of steps, how many if known."""

    job_id: int
    root_id: int
    where: EntryFilter
    names: dict[int, str]
    total: int | None
    one_counter: bool


async def log_scope(store: Store, job: Job, *, step: str | None, below: bool) -> Scope:
    """The scope of a job's log, or of one step's of its tree (by name or id). Raises NotFound for a strange step."""
    root = job if job.is_root else await find_job(store, job.root_id)
    steps = await store.steps(root.id) if root.definition is not None else []
    names = {one.id: one.name or one.kind for one in steps}
    if step is not None:
        job = _step_of(steps, step, root)
    if job.is_step and below:
        return Scope(job.id, root.id, EntryFilter(step_id=job.id), names, job.lines, one_counter=True)
    if job.is_root and below:
        return Scope(
            job.id, root.id, EntryFilter(), names, job.journal_head - job.journal_oldest + 1, one_counter=False
        )
    alone = not below and job.step_id is None
    where = EntryFilter(job_id=job.id, below=below)
    return Scope(job.id, root.id, where, names, job.lines if alone else None, one_counter=not below)


def _step_of(steps: list[Job], wanted: str, root: Job) -> Job:
    for step in steps:
        if wanted in (step.name, str(step.id)):
            return step
    known = ", ".join(step.name or str(step.id) for step in steps)
    raise NotFound(f"job {root.id} has no step {wanted[:40]!r}: " + (f"it has {known}" if known else "it has no steps"))


@routes.get("/api/jobs/{id}/logs")
async def get_logs(gateway: Gateway, id: JobId, query: LogsQuery) -> LogPage:
    """Entries of a job and all below it, newest first; `next_cursor` goes on in the same direction."""
    store = gateway.store
    limit = bounded("limit", query.limit, 1, MAX_LINES)
    scope = await log_scope(store, await find_job(store, id), step=query.step, below=query.include_children)
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
    total, is_bound = await _total(store, scope, where)
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


def level_of(word: str) -> int:
    """The level a word names, as the store filters by it. Raises InvalidInput."""
    try:
        return parse_level(word)
    except ValueError as error:
        raise InvalidInput(str(error)) from None


async def _total(store: Store, scope: Scope, where: EntryFilter) -> tuple[int, bool]:
    """How many entries match: known for whole logs, else counted, up to a bound."""
    if scope.total is not None and not where.level and where.q is None:
        return scope.total, False
    counted, after = 0, 0
    while counted < COUNTED_TO:
        page = await store.entries(scope.root_id, where, after=after, limit=COUNTED_TO - counted)
        counted += len(page.entries)
        if page.scanned_to >= page.head or page.scanned_to <= after:
            return counted, False
        after = page.scanned_to
    return counted, True


async def _before_line(store: Store, scope: Scope, line: int) -> int:
    """The position right before a line number: found by halving, because numbers rise with positions."""
    if not scope.one_counter:
        return line - 1
    low, high = 0, (await store.entries(scope.root_id, scope.where, limit=1)).head
    while low < high:
        middle = (low + high) // 2
        page = await store.entries(scope.root_id, scope.where, after=middle, limit=1)
        if not page.entries or page.entries[0].line_number >= line:
            high = middle
        else:
            low = page.entries[0].seq
    return low
