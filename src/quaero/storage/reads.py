"""Reads of jobs and of the small tables: plain functions over a connection, each one consistent moment.

Lists of jobs are in `joblists`, journals in `journalreads`.
"""

import json

from quaero.domain.job import BRANCH, MOVING, NO_TALLIES, STATIC, Job
from quaero.domain.status import RUNNING, WORDS
from quaero.domain.tally import Tally
from quaero.storage.connection import Connection, Row
from quaero.storage.latency import latency
from quaero.storage.port import ErrorGroup, Stats, StoredDocument, WorkerRow

_COLUMNS = STATIC + MOVING + BRANCH
_TALLIES = tuple(f"{scope}_{word}" for scope in "nb" for word in WORDS)
FULL_SQL = ", ".join(f"job.{column}" for column in _COLUMNS + _TALLIES)


def seen(table: str) -> str:
    """SQL that is true of what belongs to a tree nobody has deleted."""
    return f"{table}.root_id not in (select id from job where purging = 1)"


def to_job(row: Row) -> Job:
    """A job of a row of `FULL_SQL`."""
    job = Job(*row[:-NO_TALLIES])
    if job.is_branch:
        job.tallies = list(row[-NO_TALLIES:])
    return job


def jobs_by_id(db: Connection, ids: list[int]) -> list[Job]:
    """These jobs in order of id; deleted trees are gone at once."""
    sql = (
        f"select {FULL_SQL} from job join job root on root.id = job.root_id"
        f" where {db.member('job.id')} and root.purging = 0 and job.id > 0 order by job.id"
    )
    return [to_job(row) for row in db.rows(sql, (db.array(ids),))]


def running_child(db: Connection, parent_id: int) -> Job | None:
    """The child of a job that began last, of those that run now: by the index of what workers hold."""
    rows = db.rows(
        f"select {FULL_SQL} from job where job.owner is not null and job.status = {int(RUNNING)} and job.parent_id = ?"
        " order by job.started_at desc, job.id desc limit 1",
        (parent_id,),
    )
    return to_job(rows[0]) if rows else None


def steps(db: Connection, root_id: int) -> list[Job]:
    """The steps of a tree in their order."""
    sql = f"select {FULL_SQL} from job where root_id = ? and is_step = 1 and {seen('job')} order by id"
    return [to_job(row) for row in db.rows(sql, (root_id,))]


def errors(db: Connection, root_id: int) -> list[ErrorGroup]:
    """Failures of a tree by fingerprint, most frequent first."""
    rows = db.rows(
        "select fingerprint, message, count, first_at, last_at, examples from error_group"
        " where root_id = ? and count > 0 order by count desc, last_at desc",
        (root_id,),
    )
    return [ErrorGroup(row[0], row[1], row[2], row[3], row[4], json.loads(row[5])) for row in rows]


_DOCUMENT = "document.id, document.job_id, document.root_id, url, document.title, document.text, fields, truncated, at"


def documents(db: Connection, q: str | None, root_id: int | None, after: int, limit: int) -> list[StoredDocument]:
    """Documents by id above `after`, or hits of a full-text search, best first, behind as many."""
    only, params = (" and root_id = ?", [root_id]) if root_id is not None else ("", [])
    only = f"and {seen('document')}{only}"
    if q is None:
        rows = db.rows(
            f"select {_DOCUMENT}, '' from document where document.id > ? {only} order by document.id limit ?",
            (after, *params, limit),
        )
    else:
        sql = f"{db.dialect.search(_DOCUMENT, only)} offset ?"
        rows = db.rows(sql, (db.dialect.words(q), *params, limit, after))
    return [_document(row) for row in rows]


def _document(row: Row) -> StoredDocument:
    job_id, root_id, url, title, text, fields, truncated, at, snippet = row[1:]
    return StoredDocument(row[0], job_id, root_id, url, title, text, json.loads(fields), bool(truncated), at, snippet)


def stats(db: Connection, now: int) -> Stats:
    """Counts over everything, throughput and latency of the last minute, live workers."""
    ((*counts,),) = db.rows(f"select {', '.join(f'coalesce(sum({word}), 0)' for word in WORDS)} from counter")
    second = now // 1_000_000
    ((closed, since),) = db.rows(
        "select coalesce(sum(closed), 0), min(second) from throughput where second > ?", (second - 60,)
    )
    names = WorkerRow.__struct_fields__
    rows = db.rows(
        f"select {', '.join(names)} from worker where state <> 'gone' and lease_until > ? order by id", (now,)
    )
    workers = [WorkerRow(**dict(zip(names, row, strict=True))) for row in rows]
    pace = closed / max(1, second - since + 1) if since else 0.0
    return Stats(Tally(*counts), pace, latency(db, now), workers)


def incarnation(db: Connection) -> str:
    """The name of this life of the store."""
    ((value,),) = db.rows("select value from meta where key = 'incarnation'")
    return str(value)
