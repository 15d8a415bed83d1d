"""The doctor finds exactly what is wrong, nothing in a store that is in order, and mends what it says it can."""

from collections.abc import Callable

import pytest

from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.storage.doctor import examine, repair
from quaero.storage.port import Ledger, Note
from quaero.storage.sqliteconnection import SqliteConnection
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_definition, a_limit, a_root, a_step, lines

pytestmark = pytest.mark.anyio


async def busy(bench: Bench) -> Job:
    """A running root: two pending children, one held, one completed, one that waits; a definition; a closed tree."""
    parent = await bench.running()
    limit = a_limit("h", 1)
    children = [a_child(payload={"n": n}, limit=limit if n == 0 else None) for n in range(4)]
    ids = await bench.hand.spawn(parent, children)
    await bench.hand.spawn(parent, [a_child(payload={"n": 9}, after=(ids[2],))])
    held = await bench.hand.take(2, root_id=parent.id)
    await bench.hand.end(held[1])
    await bench.definition(a_definition(a_step("one", limit=1), a_step("two", depends="one")))
    other = await bench.running()
    await bench.hand.say(other, "hello")
    await bench.hand.end(other, how=How.FAILED)
    return parent


async def test_a_fresh_store_is_in_order(bench: Bench, db: SqliteConnection) -> None:
    assert examine(db, bench.clock.now()) == []


async def test_a_busy_store_is_in_order(bench: Bench, db: SqliteConnection) -> None:
    await busy(bench)
    assert examine(db, bench.clock.now()) == []


async def test_repairing_a_store_in_order_changes_nothing(bench: Bench, db: SqliteConnection) -> None:
    await busy(bench)
    before = db.rows("select * from job"), db.rows("select * from lane"), db.rows("select * from limits")
    repair(db, "doctor")
    assert (db.rows("select * from job"), db.rows("select * from lane"), db.rows("select * from limits")) == before
    assert examine(db, bench.clock.now()) == []


MENDED = {
    "a direct tally": ("update job set n_failed = 7 where id = :root", "direct tally"),
    "a tally of everything below": ("update job set b_completed = 7 where id = :root", "below tally"),
    "a tally of a job that had none": ("update job set n_failed = 1 where id = :done", "direct tally"),
    "a lane": ("update lane set n_ready = n_ready + 1", "ready jobs"),
    "a limit in use": ("update limits set in_use = in_use + 1 where key = 'h'", "in use"),
    "the global counts": ("update counter set waiting = waiting + 3", "global counts"),
    "a job forgotten by its lane": (
        "update lane set n_ready = n_ready - 1 where id = (select lane_id from job where id = :pending);"
        "update job set ready = 0 where id = :pending",
        "not ready",
    ),
}


async def plant(bench: Bench, db: SqliteConnection, sql: str) -> Job:
    """Break a busy store by hand."""
    root = await busy(bench)
    ((pending,),) = db.rows("select min(id) from job where parent_id = ? and ready = 1", (root.id,))
    ((done,),) = db.rows("select id from job where parent_id = ? and status = 3", (root.id,))
    for name, value in (("root", root.id), ("pending", pending), ("done", done)):
        sql = sql.replace(f":{name}", str(value))
    db.handle.execute("pragma ignore_check_constraints = on")
    db.run(sql)
    db.handle.execute("pragma ignore_check_constraints = off")
    return root


@pytest.mark.parametrize("what", MENDED)
async def test_what_is_derived_is_found_and_mended(bench: Bench, db: SqliteConnection, what: str) -> None:
    sql, words = MENDED[what]
    await plant(bench, db, sql)
    found = examine(db, bench.clock.now())
    assert found
    assert all(words in finding.problem and finding.repairable for finding in found)
    assert {finding.invariant for finding in found} == {"I14" if "forgotten" in what else "I5"}
    repair(db, "doctor")
    assert examine(db, bench.clock.now()) == []


_CLOSED = "update counter set running = running - 1, completed = completed + 1;"
FOUND: dict[str, tuple[str, set[str]]] = {
    "an ended job without an end": ("update job set finished_at = 0 where id = :done", {"I2"}),
    "an id that could be given again": ("update meta set value = '3' where key = 'last_id'", {"I1"}),
    "a job without a parent": (
        "update meta set value = '901' where key = 'last_id'; update counter set failed = failed + 1;"
        "insert into job(id, root_id, kind, parent_id, status, finished_at) values(900, 901, 'x', 902, 4, 1)",
        {"I1"},
    ),
    "a job whose worker is gone": ("update worker set state = 'gone'", {"I4"}),
    "a job whose worker was forgotten": ("delete from worker", {"I4"}),
    "a parent closed too early": (
        f"{_CLOSED} update job set status = 3, owner = null, finished_at = 1 where id = :root",
        {"I6"},
    ),
    "an open job under a cancelled one": (
        "update counter set running = running - 1, cancelled = cancelled + 1;"
        "update job set status = 5, owner = null, finished_at = 1 where id = :root",
        {"I6", "I10"},
    ),
    "too many attempts": ("update job set attempt = 9 where id = :done", {"I9", "I15"}),
    "a wait for nothing": (
        "update lane set n_ready = n_ready - 1 where id = (select lane_id from job where id = :pending);"
        "update job set ready = 0, blocked_by = 1 where id = :pending",
        {"I14"},
    ),
    "a status the database forbids": ("update job set owner = 1 where id = :done", {"I2", "I15"}),
    "a journal shorter than its head": ("update job set journal_head = journal_head + 1 where id = :root", {"I7"}),
    "a hole in a journal": (
        "delete from run where root_id = :root and first = (select max(first) from run"
        " where root_id = :root and first < (select max(first) from run where root_id = :root))",
        {"I7"},
    ),
    "a block that is gone": (
        "delete from block where id = (select min(block_id) from run where root_id = :root)",
        {"I7"},
    ),
}


@pytest.mark.parametrize("what", FOUND)
async def test_what_cannot_be_recomputed_is_found_and_left(bench: Bench, db: SqliteConnection, what: str) -> None:
    sql, invariants = FOUND[what]
    await plant(bench, db, sql)
    found = examine(db, bench.clock.now())
    assert {finding.invariant for finding in found} == invariants
    assert not any(finding.repairable for finding in found)


async def test_a_lease_that_has_just_ended_is_left_to_the_sweep(bench: Bench, db: SqliteConnection) -> None:
    await busy(bench)
    ((lease,),) = db.rows("select lease_until from worker")
    assert examine(db, lease + 9_000_000) == []
    assert {finding.invariant for finding in examine(db, lease + 11_000_000)} == {"I4"}


async def test_a_tree_that_should_have_closed_is_found(bench: Bench, db: SqliteConnection) -> None:
    parent, _ = await bench.family(2)
    await bench.hand.drain()
    db.run("update counter set running = running - 1, waiting = waiting + 1")
    db.run("update job set status = 2, sealed = 1, owner = null where id = ?", (parent.id,))
    [finding] = examine(db, bench.clock.now())
    assert (finding.invariant, finding.subject) == ("I6", f"job {parent.id}")


Write = Callable[[Ledger, Job], None]
HISTORIES: dict[str, tuple[Write, str]] = {
    "a line after the end": (lambda ledger, job: ledger.lines(job, lines(job, "late")), "I8"),
    "a second end of a round": (lambda ledger, job: ledger.note(job, Note(1, status=JobStatus.FAILED)), "I2"),
    "a move there is not": (lambda ledger, job: ledger.note(job, Note(1, status=JobStatus.RUNNING)), "I3"),
}


@pytest.mark.parametrize("what", HISTORIES)
async def test_a_history_that_cannot_have_happened_is_found(bench: Bench, db: SqliteConnection, what: str) -> None:
    write, invariant = HISTORIES[what]
    root_id = await bench.root(a_root())
    await bench.finish()
    await bench.store.write(lambda ledger: write(ledger, ledger.get(root_id)))
    [finding] = examine(db, bench.clock.now())
    assert (finding.invariant, finding.subject) == (invariant, f"job {root_id}")


async def test_a_line_number_that_is_left_out_is_found(bench: Bench, db: SqliteConnection) -> None:
    job = await bench.running()
    db.run("update job set lines = lines + 1, version = version + 1 where id = ?", (job.id,))
    await bench.hand.say(job, "one too far")
    [finding] = examine(db, bench.clock.now())
    assert finding.invariant == "I7"
    assert "line" in finding.problem
