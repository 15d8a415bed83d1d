"""Reading journals as they lie: whole stretches in order, for readers that follow a tree and filter for themselves.

Nothing is decoded here but the blocks' outer shape, so what a follower does not want costs it next to nothing.
"""

from quaero.storage.connection import Connection
from quaero.storage.journalreads import segments
from quaero.storage.port import Mark, Standing, Stretch, StretchPage
from quaero.storage.reads import jobs_by_id, steps

RUNS_AT_ONCE = 256
MOST_BYTES = 4 << 20  # of lines in one page, and one run more: lines may be 64 KiB long


def stretches(db: Connection, root_id: int, after: int, upto: int | None, limit: int) -> StretchPage:
    """Stretches beyond `after`, cut where they reach beyond it or `upto`: as many as have room in memory."""
    found = db.rows("select journal_head, journal_oldest from job where id = ? and purging = 0", (root_id,))
    if not found:
        return StretchPage([], after, 0, 1)
    head, oldest = found[0]
    end = head if upto is None else min(head, upto)
    position = max(after, oldest - 1)
    read: list[Stretch] = []
    left, room = limit, MOST_BYTES
    while position < end and left > 0 and room > 0:
        rows = _runs(db, root_id, position, end)
        for first, last, block_id in rows:
            stretch = segments(db, root_id, first, block_id)
            if first <= position or last > end:
                stretch = stretch.within(position, end)
            read.append(stretch)
            position = min(last, end)
            left -= position - stretch.first + 1
            room -= stretch.size
            if left <= 0 or room <= 0:
                break
        if not rows:
            break
    return StretchPage(read, max(position, after), head, oldest)


def _runs(db: Connection, root_id: int, position: int, end: int) -> list[tuple[int, int, int]]:
    """The next runs that hold entries beyond a position: (first, last, block)."""
    rows = db.rows(
        "select first, last, block_id from run where root_id = ?"
        " and first >= coalesce((select max(first) from run where root_id = ? and first <= ?), 0)"
        " and last > ? and first <= ? order by first limit ?",
        (root_id, root_id, position + 1, position, end, RUNS_AT_ONCE),
    )
    return [(row[0], row[1], row[2]) for row in rows]


def marks(db: Connection, ids: list[int]) -> list[Mark]:
    """How far rows have moved."""
    sql = f"select id, version, status, journal_head from job where {db.member('id')} and purging = 0"
    return [Mark(*row) for row in db.rows(sql, (db.array(ids),))]


def standing(db: Connection, job_id: int) -> Standing | None:
    """A job with the steps of its tree and the tree's head."""
    found = jobs_by_id(db, [job_id])
    if not found:
        return None
    job = found[0]
    ((head,),) = db.rows("select journal_head from job where id = ?", (job.root_id,))
    return Standing(job, steps(db, job.id) if job.is_root and job.definition is not None else [], head)


def parents(db: Connection, ids: list[int]) -> dict[int, int | None]:
    """The parents of jobs, by id."""
    return dict(db.rows(f"select id, parent_id from job where {db.member('id')}", (db.array(ids),)))
