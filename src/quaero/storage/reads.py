"""Reads of jobs and of the small tables: plain functions over a connection, each one consistent moment."""

import json
from typing import Any

from quaero.domain.job import BRANCH, MOVING, NO_TALLIES, STATIC, Job
from quaero.domain.status import WORDS
from quaero.domain.tally import Tally
from quaero.storage.connection import Connection, Row
from quaero.storage.latency import latency
from quaero.storage.port import ErrorGroup, JobFilter, JobPage, Stats, StoredDocument, WorkerRow

_COLUMNS = STATIC + MOVING + BRANCH
_TALLIES = tuple(f"{scope}_{word}" for scope in "nb" for word in WORDS)
FULL_SQL = ", ".join(f"job.{column}" for column in _COLUMNS + _TALLIES)
COUNT_LIMIT = 10_000


def _seen(table: str) -> str:
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


def _where(db: Connection, where: JobFilter) -> tuple[str, list[Any]]:
    clauses, params = ["job.id > 0", "job.purging = 0" if where.roots else _seen("job")], []
    for sql, value in (
        ("job.parent_id = ?", where.parent_id),
        ("job.root_id = ?", where.root_id),
        ("job.kind = ?", where.kind),
        ("job.definition = ?", where.definition),
    ):
        if value is not None:
            clauses.append(sql)
            params.append(value)
    if where.roots:
        clauses.append("job.parent_id is null")
    if where.statuses:
        clauses.append(db.member("job.status"))
        params.append(db.array(int(status) for status in where.statuses))
    if where.tag is not None:
        clauses.append("job.tags is not null and exists (select 1 from json_each(job.tags) where value = ?)")
        params.append(where.tag)
    if where.q:
        # SQLite's lower() knows ASCII only: other letters are found as they are written
        text = "coalesce(job.name, '') || ' ' || job.kind || ' ' || coalesce(job.key, '')"
        clauses.append(f"(instr(lower({text}), ?) or instr({text}, ?) or job.id = ?)")
        params += [where.q.lower(), where.q, int(where.q) if where.q.isdecimal() and len(where.q) <= 18 else -1]
    if where.fingerprint:
        clauses.append("json_extract(job.error, '$.fingerprint') = ?")
        params.append(where.fingerprint)
    return " and ".join(clauses), params


def jobs(db: Connection, where: JobFilter, limit: int, after: int | None) -> JobPage:
    """A page of jobs by id."""
    sql, params = _where(db, where)
    total, is_bound = _count(db, where, sql, params)
    order = "desc" if where.descending else "asc"
    edge = "" if after is None else f" and job.id {'<' if where.descending else '>'} ?"
    rows = db.rows(
        f"select {FULL_SQL} from job where {sql}{edge} order by job.id {order} limit ?",
        (*params, *(() if after is None else (after,)), limit + 1),
    )
    found = [to_job(row) for row in rows[:limit]]
    return JobPage(found, total, is_bound, found[-1].id if len(rows) > limit else None)


def _count(db: Connection, where: JobFilter, sql: str, params: list[Any]) -> tuple[int, bool]:
    """Exact from the parent's tally where that answers the question, else counted up to a bound."""
    bare = JobFilter(parent_id=where.parent_id, statuses=where.statuses, descending=where.descending)
    if where.parent_id is not None and where == bare:
        parent = jobs_by_id(db, [where.parent_id])
        if parent:
            tally = parent[0].tally
            return sum(tally[status] for status in where.statuses) if where.statuses else tally.total, False
    ((n,),) = db.rows(f"select count(*) from (select 1 from job where {sql} limit {COUNT_LIMIT + 1})", params)
    return min(n, COUNT_LIMIT), n > COUNT_LIMIT


def steps(db: Connection, root_id: int) -> list[Job]:
    """The steps of a tree in their order."""
    sql = f"select {FULL_SQL} from job where root_id = ? and is_step = 1 and {_seen('job')} order by id"
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
    """Documents by id above `after`, or the best hits of a full-text search."""
    only, params = (" and root_id = ?", [root_id]) if root_id is not None else ("", [])
    only = f"and {_seen('document')}{only}"
    if q is None:
        rows = db.rows(
            f"select {_DOCUMENT}, '' from document where document.id > ? {only} order by document.id limit ?",
            (after, *params, limit),
        )
    else:
        rows = db.rows(
            f"select {_DOCUMENT}, snippet(document_text, 1, '', '', '…', 24) from document_text"
            f" join document on document.id = document_text.rowid where document_text match ? {only}"
            " order by rank limit ?",
            (_match(q), *params, limit),
        )
    return [_document(row) for row in rows]


def _document(row: Row) -> StoredDocument:
    job_id, root_id, url, title, text, fields, truncated, at, snippet = row[1:]
    return StoredDocument(row[0], job_id, root_id, url, title, text, json.loads(fields), bool(truncated), at, snippet)


def _match(q: str) -> str:
    """A full-text query in which nothing a person types is an operator: every word must occur."""
    words = q.replace("\0", " ").split()  # a query ends at a zero byte
    return " ".join('"' + word.replace('"', '""') + '"' for word in words) or '""'


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
