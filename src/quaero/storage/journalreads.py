"""Reading journals by position: find the runs, unpack their blocks, keep what the reader asked for.

A page says how far it looked (`scanned_to`), so a filtered reader advances over what it did not want.
"""

from collections.abc import Callable, Iterator

from quaero.domain.entries import Entry
from quaero.storage.connection import Connection
from quaero.storage.journal import all_levels, entries_of, unpack
from quaero.storage.port import EntryFilter, EntryPage

RUNS_AT_ONCE = 64
_NOWHERE = 1 << 62


def entries(db: Connection, root_id: int, where: EntryFilter, after: int, limit: int, descending: bool) -> EntryPage:
    """Matching entries on the far side of `after`."""
    found = db.rows("select journal_head, journal_oldest from job where id = ?", (root_id,))
    if not found:
        return EntryPage([], after, 0, 1)
    head, oldest = found[0]
    lower, upper, wanted = _scope(db, root_id, where)
    start = (after or head + 1) if descending else max(after, oldest - 1, lower - 1)
    kept: list[Entry] = []
    for entry in _walk(db, root_id, where, start, lower, min(upper, head), descending):
        if wanted(entry):
            kept.append(entry)
            if len(kept) == limit:
                return EntryPage(_named(db, kept), entry.seq, head, oldest)
    return EntryPage(_named(db, kept), oldest - 1 if descending else max(head, after), head, oldest)


def _scope(db: Connection, root_id: int, where: EntryFilter) -> tuple[int, int, Callable[[Entry], bool]]:
    """(lowest seq, highest seq, test) of what a filter can match."""
    lower, upper = 1, _NOWHERE
    jobs: frozenset[int] | None = None
    if where.job_id is not None and where.job_id != root_id:
        jobs = _subtree(db, where.job_id) if where.below else frozenset({where.job_id})
        ((first, last),) = db.rows(
            f"select coalesce(min(nullif(first_seq, 0)), 0), max(last_seq) from job where {db.member('id')}",
            (db.array(jobs),),
        )
        lower, upper = first or _NOWHERE, last
    elif where.job_id is not None and not where.below:
        jobs = frozenset({root_id})
    needle = where.q.lower() if where.q else None

    def wanted(entry: Entry) -> bool:
        return (
            entry.level >= where.level
            and (jobs is None or entry.job_id in jobs)
            and (where.step_id is None or entry.step_id == where.step_id)
            and entry.at >= where.since
            and (needle is None or needle in entry.message.lower())
        )

    return lower, upper, wanted


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
    db: Connection, root_id: int, where: EntryFilter, start: int, lower: int, upper: int, descending: bool
) -> Iterator[Entry]:
    """Entries beyond `start` within [lower, upper], block by block."""
    mask = all_levels() & ~((1 << where.level) - 1)
    position = start
    while runs := _runs(db, root_id, position, lower, upper, mask, descending):
        for first, last, block_id in runs:
            batch = [e for e in _block(db, root_id, first, block_id) if lower <= e.seq <= upper]
            for entry in reversed(batch) if descending else batch:
                if (entry.seq < start) if descending else (entry.seq > start):
                    yield entry
            position = first if descending else last


def _runs(
    db: Connection, root_id: int, position: int, lower: int, upper: int, mask: int, descending: bool
) -> list[tuple[int, int, int]]:
    """Up to `RUNS_AT_ONCE` runs beyond a position that hold a level asked for: (first, last, block)."""
    if descending:
        sql = "first < ? and first <= ? and last >= ? and levels & ? <> 0 order by first desc limit ?"
        params: tuple[int, ...] = (position, upper, lower, mask, RUNS_AT_ONCE)
    else:
        # the run that holds the next entry starts at or before it
        sql = (
            "first >= coalesce((select max(first) from run where root_id = ? and first <= ?), 0)"
            " and last > ? and first <= ? and levels & ? <> 0 order by first limit ?"
        )
        params = (root_id, max(position + 1, lower), max(position, lower - 1), upper, mask, RUNS_AT_ONCE)
    return [
        (row[0], row[1], row[2])
        for row in db.rows(f"select first, last, block_id from run where root_id = ? and {sql}", (root_id, *params))
    ]


def _block(db: Connection, root_id: int, first: int, block_id: int) -> list[Entry]:
    ((data,),) = db.rows("select data from block where id = ?", (block_id,))
    for group in unpack(data, root_id):
        if group[1] == first:
            return list(entries_of(group))
    return []


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
