"""Reading journals by position: find the runs, unpack their blocks, keep what the reader asked for.

A page says how far it looked (`scanned_to`), so a filtered reader advances over what it did not want.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass

from quaero.domain.entries import Entry
from quaero.storage.connection import Connection
from quaero.storage.journal import all_levels, unpack
from quaero.storage.needle import Needle
from quaero.storage.offspring import Offspring
from quaero.storage.port import EntryFilter, EntryPage
from quaero.storage.segments import NOWHERE, Segments

RUNS_AT_ONCE = 64
LOOKED_AT = 200_000  # entries a count looks at


@dataclass(frozen=True, slots=True)
class _Span:
    """Within which numbers a filter can match at all, and of which jobs."""

    lower: int
    upper: int
    jobs: Container[int] | None


def entries(db: Connection, root_id: int, where: EntryFilter, after: int, limit: int, descending: bool) -> EntryPage:
    """Matching entries on the far side of `after`."""
    head, oldest = _edges(db, root_id)
    if not head:
        return EntryPage([], after, 0, oldest)
    span = _span(db, root_id, where)
    start = (after or head + 1) if descending else max(after, oldest - 1, span.lower - 1)
    kept: list[Entry] = []
    for entry in _walk(db, root_id, where, span, start, min(span.upper, head), descending):
        kept.append(entry)
        if len(kept) == limit:
            return EntryPage(_named(db, kept), entry.seq, head, oldest)
    return EntryPage(_named(db, kept), oldest - 1 if descending else max(head, after), head, oldest)


def count(db: Connection, root_id: int, where: EntryFilter, most: int) -> tuple[int, bool]:
    """How many entries match, up to a bound, and whether there may be more; only so many are looked at."""
    head, oldest = _edges(db, root_id)
    span = _span(db, root_id, where)
    start = max(oldest, span.lower) - 1
    upper = min(span.upper, head)
    horizon = min(upper, start + LOOKED_AT)
    found = 0
    for found, _ in enumerate(_walk(db, root_id, where, span, start, horizon, descending=False), 1):
        if found == most:
            return found, True
    return found, horizon < upper


def before_line(db: Connection, root_id: int, counter_id: int, line: int) -> int:
    """The position right before a line of a job or step, found by halving: numbers of lines rise with positions."""
    head, oldest = _edges(db, root_id)
    low, high = oldest - 1, head
    while low < high:
        middle = (low + high) // 2
        found = _next_line(db, root_id, counter_id, middle, high)
        if found is None or found[1] >= line:
            high = middle
        else:
            low = found[0]
    return low


def _next_line(db: Connection, root_id: int, counter_id: int, after: int, upto: int) -> tuple[int, int] | None:
    position = after
    while runs := _runs(db, root_id, position, 1, upto, all_levels(), descending=False, most=4):
        for first, last, block_id in runs:
            found = segments(db, root_id, first, block_id).line_at(counter_id, after)
            if found is not None:
                return found
            position = last
    return None


def _edges(db: Connection, root_id: int) -> tuple[int, int]:
    """(newest, oldest) number of a tree."""
    found = db.rows("select journal_head, journal_oldest from job where id = ?", (root_id,))
    return (found[0][0], found[0][1]) if found else (0, 1)


def _span(db: Connection, root_id: int, where: EntryFilter) -> _Span:
    if where.children is not None:
        offspring = Offspring(db, where.job_id or root_id, where.children)
        return _Span(*offspring.edges(1, NOWHERE), offspring)
    if where.job_id is None or (where.job_id == root_id and where.below):
        return _Span(1, NOWHERE, None)
    if where.job_id == root_id:
        return _Span(1, NOWHERE, frozenset({root_id}))
    jobs = _subtree(db, where.job_id) if where.below else frozenset({where.job_id})
    ((first, last),) = db.rows(
        f"select coalesce(min(nullif(first_seq, 0)), 0), max(last_seq) from job where {db.member('id')}",
        (db.array(jobs),),
    )
    return _Span(first or NOWHERE, last or 0, jobs)


def _subtree(db: Connection, top_id: int) -> frozenset[int]:
    return frozenset(
        row[0]
        for row in db.rows(
            "with recursive below(id) as"
            " (select cast(? as bigint) union all select job.id from job join below on job.parent_id = below.id)"
            " select id from below",
            (top_id,),
        )
    )


def _walk(
    db: Connection, root_id: int, where: EntryFilter, span: _Span, start: int, upper: int, descending: bool
) -> Iterator[Entry]:
    """Matching entries beyond `start` within the span and up to `upper`, block by block."""
    mask = all_levels() & ~((1 << where.level) - 1)
    needle = Needle(where.q) if where.q else None
    after, before = (span.lower - 1, min(start, upper + 1)) if descending else (start, upper + 1)
    position = start
    while runs := _runs(db, root_id, position, span.lower, upper, mask, descending):
        for first, last, block_id in runs:
            found = segments(db, root_id, first, block_id)
            if isinstance(span.jobs, Offspring):
                span.jobs.learn(found.job_ids())
            for entry in found.entries(
                level=where.level, step_id=where.step_id, jobs=span.jobs, needle=needle,
                after=after, before=before, descending=descending,
            ):  # fmt: skip
                if entry.at >= where.since:
                    yield entry
            position = first if descending else last


def _runs(
    db: Connection,
    root_id: int,
    position: int,
    lower: int,
    upper: int,
    mask: int,
    descending: bool,
    most: int = RUNS_AT_ONCE,
) -> list[tuple[int, int, int]]:
    """Up to `most` runs beyond a position that hold a level asked for: (first, last, block)."""
    if descending:
        sql = "first < ? and first <= ? and last >= ? and levels & ? <> 0 order by first desc limit ?"
        params: tuple[int, ...] = (position, upper, lower, mask, most)
    else:
        # the run that holds the next entry starts at or before it
        sql = (
            "first >= coalesce((select max(first) from run where root_id = ? and first <= ?), 0)"
            " and last > ? and first <= ? and levels & ? <> 0 order by first limit ?"
        )
        params = (root_id, max(position + 1, lower), max(position, lower - 1), upper, mask, most)
    return [
        (row[0], row[1], row[2])
        for row in db.rows(f"select first, last, block_id from run where root_id = ? and {sql}", (root_id, *params))
    ]


def segments(db: Connection, root_id: int, first: int, block_id: int) -> Segments:
    """One run of a tree, from its block."""
    ((data,),) = db.rows("select data from block where id = ?", (block_id,))
    for group in unpack(data, root_id):
        if group[1] == first:
            return Segments(root_id, first, group[2])
    raise LookupError(f"block {block_id} lacks entry {first} of tree {root_id}")


def _named(db: Connection, found: list[Entry]) -> list[Entry]:
    """Entries with the names of their steps."""
    ids = {entry.step_id for entry in found if entry.step_id is not None}
    if not ids:
        return found
    names: dict[int, str] = dict(db.rows(f"select id, name from job where {db.member('id')}", (db.array(ids),)))
    return [_with_step(entry, names.get(entry.step_id)) if entry.step_id is not None else entry for entry in found]


def _with_step(entry: Entry, name: str | None) -> Entry:
    return Entry(
        seq=entry.seq,
        line_number=entry.line_number,
        at=entry.at,
        level=entry.level,
        message=entry.message,
        job_id=entry.job_id,
        root_id=entry.root_id,
        step_id=entry.step_id,
        step=name,
        originator=entry.originator,
        fields=entry.fields,
    )
