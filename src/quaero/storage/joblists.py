"""Lists of jobs: by id, filtered, a page at a time, however many jobs there are.

    base      what the list walks along, by an index: children of a job, roots, trees of a definition, given ids, or all
    rest      what each job on the way is asked
    reach     how far one read walks: `REACH` jobs of the base, so that a filter nothing matches costs a bounded time

A page that is not full because its reach ended says where to go on; a count that ended there says that it is a bound.
"""

from typing import Any, NamedTuple

from quaero.domain.job import Job
from quaero.domain.status import PENDING, RUNNING, STATUSES, WAITING
from quaero.domain.tally import Tally
from quaero.storage.connection import Connection, Row
from quaero.storage.port import Breakdown, JobFilter, JobPage, Matches
from quaero.storage.reads import FULL_SQL, jobs_by_id, seen, to_job

COUNT_LIMIT = 10_000
REACH = 100_000
NEAR = 1_000
EVERY = 1 << 62
_UNCOUNTED = "(case when is_branch = 1 and is_step = 0 and parent_id is not null then 1 else 0 end)"


class _Sql(NamedTuple):
    """A condition with its parameters."""

    text: str
    params: tuple[Any, ...] = ()

    def also(self, other: "_Sql") -> "_Sql":
        """Both of them."""
        if not other.text:
            return self
        return _Sql(f"{self.text} and {other.text}" if self.text else other.text, (*self.params, *other.params))


_NOTHING = _Sql("")


def _base(db: Connection, where: JobFilter) -> _Sql:
    if where.ids is not None:
        return _Sql(db.member("job.id"), (db.array(where.ids),))
    if where.parent_id is not None:
        return _Sql("job.parent_id = ?", (where.parent_id,))
    if where.definition is not None:
        return _Sql("job.definition = ?", (where.definition,))
    if where.root_id is not None:
        return _Sql("job.root_id = ?", (where.root_id,))
    return _Sql("job.parent_id is null and job.id > 0" if where.roots else "job.id > 0")


def _rest(db: Connection, where: JobFilter) -> _Sql:
    found = _NOTHING
    for sql, value in (
        ("job.root_id = ?", where.root_id),
        ("job.kind = ?", where.kind),
        ("job.definition = ?", where.definition if where.ids is not None or where.parent_id is not None else None),
        ("job.parent_id = ?", where.parent_id if where.ids is not None else None),
        ("job.kind <> ?", where.other_than),
        ("job.created_at >= ?", where.created_after),
        ("job.created_at < ?", where.created_before),
    ):
        if value is not None:
            found = found.also(_Sql(sql, (value,)))
    if where.roots and where.ids is not None:
        found = found.also(_Sql("job.parent_id is null"))
    if where.statuses:
        found = found.also(_Sql(db.member("job.status"), (db.array(int(status) for status in where.statuses),)))
    if where.tag is not None:
        tagged = f"job.tags is not null and {db.dialect.tagged('job.tags')}"
        found = found.also(_Sql(tagged, (where.tag,)))
    if where.q:
        found = found.also(_says(db, where.q))
    if where.fingerprint:
        found = found.also(_Sql(f"{db.dialect.field('job.error', 'fingerprint')} = ?", (where.fingerprint,)))
    return found


def _says(db: Connection, q: str) -> _Sql:
    """Name, kind or key has this in it, or the id is this."""
    text = "coalesce(job.name, '') || ' ' || job.kind || ' ' || coalesce(job.key, '')"
    job_id = int(q) if q.isascii() and q.isdecimal() and len(q) <= 18 else -1
    holds, params = db.dialect.holds(text, q)
    return _Sql(f"({holds} or job.id = ?)", (*params, job_id))


def _kept(where: JobFilter) -> _Sql:
    return _Sql("job.purging = 0" if where.roots else seen("job"))


def _between(where: JobFilter, after: int | None = None, edge: int | None = None, upto: int | None = None) -> _Sql:
    """Where the walk begins and ends: at most one bound on each side, for an index is entered at one only."""
    first, last = where.children or (None, None)
    lows, highs = [first], [last, upto]
    (highs if where.descending else lows).append(after and after + (-1 if where.descending else 1))
    (lows if where.descending else highs).append(edge)
    low = max((bound for bound in lows if bound is not None), default=None)
    high = min((bound for bound in highs if bound is not None), default=None)
    found = _NOTHING if low is None else _Sql("job.id >= ?", (low,))
    return found if high is None else found.also(_Sql("job.id <= ?", (high,)))


def _edge(db: Connection, where: JobFilter, after: int | None, reach: int) -> int | None:
    """The last id within reach of a list that goes on after this one; None: all of it is."""
    base = _base(db, where).also(_between(where, after))
    order, last = ("desc", "min") if where.descending else ("asc", "max")
    ((n, edge),) = db.rows(
        f"select count(*), {last}(id) from"
        f" (select job.id as id from job where {base.text} order by job.id {order} limit ?) part",
        (*base.params, reach),
    )
    return edge if n == reach else None


def _condition(
    db: Connection, where: JobFilter, after: int | None, reach: int | None = None, upto: int | None = None
) -> tuple[_Sql, int | None]:
    """What a row within reach must be, and where the reach ends if it ends."""
    rest = _rest(db, where)
    edge = _edge(db, where, after, reach or REACH) if rest.text else None
    return _base(db, where).also(rest).also(_kept(where)).also(_between(where, after, edge, upto)), edge


def jobs(db: Connection, where: JobFilter, limit: int, after: int | None, skip: int = 0) -> JobPage:
    """A page of jobs by id, without the first `skip`."""
    total, is_bound = _count(db, where)
    condition, edge = _condition(db, where, after)
    order = "desc" if where.descending else "asc"
    sql = f"select {FULL_SQL} from job where {condition.text} order by job.id {order} limit ? offset ?"
    rows = db.rows(sql, (*condition.params, limit + 1, skip))
    found = [to_job(row) for row in rows[:limit]]
    return JobPage(found, total, is_bound, found[-1].id if len(rows) > limit else edge)


def _count(db: Connection, where: JobFilter) -> tuple[int, bool]:
    """Exact from the parent's tally where that answers the question, else counted up to a bound."""
    bare = JobFilter(parent_id=where.parent_id, statuses=where.statuses, descending=where.descending)
    if where.parent_id is not None and where == bare:
        parent = jobs_by_id(db, [where.parent_id])
        if parent:
            tally = parent[0].tally
            return sum(tally[status] for status in where.statuses) if where.statuses else tally.total, False
    condition, edge = _condition(db, where, None)
    sql = f"select count(*) from (select 1 from job where {condition.text} limit {COUNT_LIMIT + 1}) part"
    ((n,),) = db.rows(sql, condition.params)
    return min(n, COUNT_LIMIT), n > COUNT_LIMIT or edge is not None


def matching(db: Connection, where: JobFilter, after: int, upto: int, limit: int) -> Matches:
    """Ids that match, oldest first, and where to go on."""
    for reach in (min(NEAR, REACH), REACH):  # nearly always enough are near, and then nothing is walked for nothing
        condition, edge = _condition(db, where, after, reach, upto)
        sql = f"select job.id from job where {condition.text} order by job.id limit ?"
        ids = [row[0] for row in db.rows(sql, (*condition.params, limit))]
        if len(ids) == limit:
            return Matches(ids, ids[-1])
        if edge is None or edge >= upto:
            break
    return Matches(ids, edge if edge is not None and edge < upto else None)


def breakdown(db: Connection, where: JobFilter) -> Breakdown:
    """How many match, by status, with what is below them; up to a bound, except for a range of children.

    Roots and steps have counts of all that is below them; what is below others is walked, as far as `REACH`.
    """
    if where.is_range:
        condition = _base(db, where).also(_rest(db, where)).also(_kept(where)).also(_between(where))
        edge, most = None, EVERY
    else:
        condition, edge = _condition(db, where, None)
        most = COUNT_LIMIT
    words = ", ".join(f"b_{status.word}" for status in STATUSES)
    sums = ", ".join(f"coalesce(sum(b_{status.word}), 0)" for status in STATUSES)
    rows = db.rows(
        f"select status, count(*), sum({_UNCOUNTED}), {sums} from"
        f" (select status, is_branch, is_step, parent_id, {words} from job where {condition.text} limit ?) part"
        " group by status",
        (*condition.params, most + 1),
    )
    counts = [0] * len(STATUSES)
    below: dict[int, list[int]] = {}
    uncounted = 0
    for status, n, n_uncounted, *sums_below in rows:
        counts[status] = n
        uncounted += n_uncounted
        below[status] = [int(n_below) for n_below in sums_below]
    is_bound = is_below_bound = sum(counts) > most or edge is not None
    if uncounted:
        walked = _walked_below(db, condition, most + 1)
        is_below_bound = is_bound or sum(n for _, _, n in walked) >= REACH
        for status, status_below, n in walked:
            below[status][status_below] += n
    return Breakdown(
        Tally(*counts), {status: Tally(*tally) for status, tally in below.items()}, is_bound, is_below_bound
    )


def _walked_below(db: Connection, condition: _Sql, most: int) -> list[Row]:
    """What is below the jobs of a condition that have no count of it: (their status, its status, how many)."""
    return db.rows(
        "with recursive below(id, top, status) as (select id, status, -1 from"
        f" (select id, status, is_branch, is_step, parent_id from job where {condition.text} limit ?) part"
        f" where {_UNCOUNTED} = 1"
        " union all select job.id, below.top, job.status from below join job on job.parent_id = below.id)"
        " select top, status, count(*) from (select top, status from below where status >= 0 limit ?) reached"
        " group by top, status",
        (*condition.params, most, REACH),
    )


def longest(db: Connection, where: JobFilter, limit: int, now: int) -> list[Job]:
    """The children that took longest, or have so far, longest first: among all, or with a filter those within reach."""
    condition, _ = _condition(db, where, None)
    took = f"(case when finished_at > 0 and status > {int(WAITING)} then finished_at else {int(now)} end) - started_at"
    return _ranked(db, f"{condition.text} and started_at > 0 and status <> {int(PENDING)}", condition, took, limit)


def quietest(db: Connection, parent_id: int, limit: int) -> list[Job]:
    """The running children whose last entry lies furthest back, longest silent first.

    The journal of a tree is one sequence, so the number of an entry tells its age. Only what workers hold is looked
    at: the plus keeps the planner from walking along all children.
    """
    held = _Sql(f"owner is not null and +parent_id = ? and status = {int(RUNNING)}", (parent_id,))
    return _ranked(db, held.text, held, "-last_seq", limit)


def _ranked(db: Connection, text: str, condition: _Sql, by: str, limit: int) -> list[Job]:
    """Jobs of a condition, those with the highest value first; ids are ranked alone, so that little is carried."""
    ids = [
        row[0]
        for row in db.rows(
            f"select id from job where {text} order by {by} desc, id limit ?", (*condition.params, limit)
        )
    ]
    found = {job.id: job for job in jobs_by_id(db, ids)}
    return [found[job_id] for job_id in ids if job_id in found]
