"""Checks every invariant of a store, and mends what the rows themselves can mend.

Each check is one query or one pass over the journal; a finding names the invariant, the row and what is wrong. Nothing
is guessed: a repair only recomputes what is derived (tallies, ready counts, limit use, global counts).
"""

from collections.abc import Callable, Iterator

import msgspec

from quaero.domain.status import WORDS
from quaero.storage.connection import Connection
from quaero.storage.journalcheck import check_journals

LEASE_SLACK = 10_000_000  # microseconds: two sweeps


class Finding(msgspec.Struct, frozen=True):
    """One violated invariant. `repairable`: `--repair` recomputes it from the rows."""

    invariant: str
    subject: str
    problem: str
    repairable: bool = False


def examine(db: Connection, now: int) -> list[Finding]:
    """Everything that is wrong with a store; empty when it is clean."""
    found: list[Finding] = []
    for check in CHECKS:
        found.extend(check(db, now))
    found.extend(Finding(*problem) for problem in check_journals(db))
    return found


def _integrity(db: Connection, now: int) -> Iterator[Finding]:
    for message in db.dialect.damage(db):
        yield Finding("I15", "database", message)


def _terminal_rows(db: Connection, now: int) -> Iterator[Finding]:
    for job_id, status in db.rows(
        "select id, status from job where status >= 3 and (owner is not null or ready = 1 or finished_at = 0) limit 100"
    ):
        yield Finding("I2", f"job {job_id}", f"is {WORDS[status]} but still owned, ready or without an end")


def _missing(db: Connection, now: int) -> Iterator[Finding]:
    for job_id, parent_id, root_id in db.rows(
        "select j.id, j.parent_id, j.root_id from job j left join job p on p.id = j.parent_id"
        " left join job r on r.id = j.root_id"
        " where r.id is null or (j.parent_id is not null and p.id is null) limit 100"
    ):
        yield Finding("I1", f"job {job_id}", f"its parent {parent_id} or its root {root_id} is missing")
    last_id = db.dialect.last_id(db)
    for (job_id,) in db.rows("select id from job where id > ? limit 100", (last_id,)):
        yield Finding(
            "I1", f"job {job_id}", f"is beyond {last_id}, the last id that was given: its id could be given again"
        )


def _orphans(db: Connection, now: int) -> Iterator[Finding]:
    for job_id, worker in db.rows(
        "select job.id, job.owner from job left join worker on worker.id = job.owner where job.owner is not null"
        " and (worker.id is null or worker.state = 'gone' or worker.lease_until < ?) limit 100",
        (now - LEASE_SLACK,),
    ):
        yield Finding("I4", f"job {job_id}", f"is held by worker {worker}, whose lease has ended")


_RECOUNT = {
    "direct": "select parent_id as top, status, count(*) as n from job where parent_id is not null group by 1, 2",
    "below": (
        "select step_id as top, status, count(*) as n from job where step_id is not null and is_step = 0 group by 1, 2"
        " union all select root_id, status, count(*) from job where parent_id is not null and is_step = 0 and"
        " coalesce(step_id, 0) <> root_id group by 1, 2"
    ),
}


def _tallies(db: Connection, now: int) -> Iterator[Finding]:
    for scope, prefix in (("direct", "n"), ("below", "b")):
        truth = recount(db, scope)
        columns = ", ".join(f"{prefix}_{word}" for word in WORDS)
        who = "" if scope == "direct" else "and (is_step = 1 or parent_id is null)"
        kept = "root_id not in (select id from job where purging = 1)"  # the others lose their rows one by one
        for job_id, *stored in db.rows(f"select id, {columns} from job where id > 0 and {kept} {who}"):
            counted = truth.get(job_id, [0] * 6)
            if stored != counted:
                yield Finding("I5", f"job {job_id}", f"{scope} tally is {stored}, a recount gives {counted}", True)


def recount(db: Connection, scope: str) -> dict[int, list[int]]:
    """Tallies counted from the rows: {job: counts by status}."""
    truth: dict[int, list[int]] = {}
    for top, status, n in db.rows(_RECOUNT[scope]):
        truth.setdefault(top, [0] * 6)[status] += n
    return truth


def _lanes(db: Connection, now: int) -> Iterator[Finding]:
    for lane, stored, counted in db.rows(
        "select l.id, l.n_ready, coalesce(c.n, 0) from lane l left join"
        " (select lane_id, count(*) as n from job where ready = 1 group by 1) c on c.lane_id = l.id"
        " where l.n_ready <> coalesce(c.n, 0) limit 100"
    ):
        yield Finding("I5", f"lane {lane}", f"counts {stored} ready jobs, there are {counted}", True)


def _limits(db: Connection, now: int) -> Iterator[Finding]:
    for key, stored, counted in db.rows(
        "select key, in_use, n from (select x.key, x.in_use, (select count(*) from job where owner is not null"
        " and (limit_id = x.id or step_limit_id = x.id)) as n from limits x) counted where in_use <> n limit 100"
    ):
        yield Finding("I5", f"limit {key}", f"counts {stored} jobs in use, there are {counted}", True)


def _resting(db: Connection, now: int) -> Iterator[Finding]:
    for (key,) in db.rows(
        "select key from limits a where a.in_use < a.at_once and a.next_at = 0"
        " and exists (select 1 from lane l where l.rests_on = a.id and l.n_ready > 0)"
        " and not exists (select 1 from lane l where (l.limit_id = a.id or l.step_limit_id = a.id)"
        " and l.n_ready > 0 and l.rests_on is null) limit 100"
    ):
        yield Finding("I14", f"limit {key}", "has room, and all that is ready under it rests", True)


def _global_counts(db: Connection, now: int) -> Iterator[Finding]:
    stored = list(db.rows(f"select {', '.join(f'coalesce(sum({word}), 0)' for word in WORDS)} from counter")[0])
    counted = [0] * 6
    for status, n in db.rows("select status, count(*) from job where id > 0 group by 1"):
        counted[status] = n
    if stored != counted:
        yield Finding("I5", "queue", f"global counts are {stored}, a recount gives {counted}", True)


def _parents(db: Connection, now: int) -> Iterator[Finding]:
    for job_id, status in db.rows(
        "select id, status from job p where id > 0 and status >= 3 and exists"
        " (select 1 from job c where c.parent_id = p.id and c.status < 3) limit 100"
    ):
        yield Finding("I6", f"job {job_id}", f"is {WORDS[status]} with open children")
    for (job_id,) in db.rows(
        "select id from job p where status = 2 and sealed = 1 and id > 0 and not exists"
        " (select 1 from job c where c.parent_id = p.id and c.status < 3) limit 100"
    ):
        yield Finding("I6", f"job {job_id}", "is sealed and done below, but not closed", True)


def _attempts(db: Connection, now: int) -> Iterator[Finding]:
    for job_id, attempt, most in db.rows(
        "select id, attempt, max_attempts from job where attempt > max_attempts limit 100"
    ):
        yield Finding("I9", f"job {job_id}", f"has begun {attempt} attempts of {most}")


def _cancelled(db: Connection, now: int) -> Iterator[Finding]:
    for job_id, parent_id in db.rows(
        "select c.id, p.id from job p join job c on c.parent_id = p.id where p.status = 5 and c.status < 3 limit 100"
    ):
        yield Finding("I10", f"job {job_id}", f"is open under the cancelled job {parent_id}")


def _blocked(db: Connection, now: int) -> Iterator[Finding]:
    for job_id, stored, counted in db.rows(
        "select id, blocked_by, n from (select j.id, j.blocked_by,"
        " (select count(*) from dependency d join job w on w.id = d.waits_for"
        " where d.job_id = j.id and w.status < 3) as n from job j where j.status = 0) counted"
        " where blocked_by <> n limit 100"
    ):
        yield Finding("I14", f"job {job_id}", f"waits for {stored} jobs, {counted} of them are open")
    for (job_id,) in db.rows(
        "select id from job where status = 0 and owner is null and ready = 0 and blocked_by = 0 and sealed = 0"
        " and run_at = 0 and id > 0 limit 100"
    ):
        yield Finding("I14", f"job {job_id}", "is pending, free and unblocked, but not ready", True)


CHECKS: tuple[Callable[[Connection, int], Iterator[Finding]], ...] = (
    _integrity,
    _missing,
    _terminal_rows,
    _orphans,
    _tallies,
    _lanes,
    _limits,
    _resting,
    _global_counts,
    _parents,
    _attempts,
    _cancelled,
    _blocked,
)


def repair(db: Connection, writer: str) -> None:
    """Recompute from the rows whatever is derived from them, in the caller's transaction."""
    for scope, prefix in (("direct", "n"), ("below", "b")):
        names = ", ".join(f"{prefix}_{word} = ?" for word in WORDS)
        counted_once = " or ".join(f"{prefix}_{word} <> 0" for word in WORDS)
        who = "" if scope == "direct" else " and (is_step = 1 or parent_id is null)"
        truth = recount(db, scope)
        ids = [row[0] for row in db.rows(f"select id from job where id > 0 and (is_branch = 1 or {counted_once}){who}")]
        missing = list(truth.keys() - set(ids))
        db.run_many("update job set is_branch = 1 where id = ?", [(i,) for i in missing])
        db.run_many(f"update job set {names} where id = ?", [(*truth.get(i, [0] * 6), i) for i in [*ids, *missing]])
    db.run(
        "update job set ready = 1 where status = 0 and owner is null and ready = 0 and blocked_by = 0"
        " and sealed = 0 and run_at = 0 and id > 0"
    )
    db.run(
        "update lane set rests_on = null, n_ready = (select count(*) from job where ready = 1 and lane_id = lane.id)"
    )
    db.run(
        "update limits set in_use = (select count(*) from job where owner is not null"
        " and (limit_id = limits.id or step_limit_id = limits.id))"
    )
    counted = [0] * 6
    for status, n in db.rows("select status, count(*) from job where id > 0 group by 1"):
        counted[status] = n
    db.run("delete from counter")
    db.run(
        "insert into counter(writer, pending, running, waiting, completed, failed, cancelled)"
        " values(?, ?, ?, ?, ?, ?, ?)",
        (writer, *counted),
    )
