"""Claims, and whoever else looks for something to do, never look at what they do not take, however much there is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quaero.domain.facts import How
from quaero.domain.status import JobStatus
from quaero.engine.lifecycle.deliveries import take_deliveries
from quaero.engine.lifecycle.enqueue import enqueue
from quaero.engine.lifecycle.workers import announce
from quaero.storage.port import Ledger, Want
from quaero.storage.sqliteconnection import SqliteConnection
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench
from quaero.testing.clock import START
from quaero.testing.factories import a_child, a_limit, a_root, spawned

pytestmark = pytest.mark.anyio
MANY = 120_000
HOSTS = 30_000
STEPS_A_JOB = 400  # instructions of SQLite's machine: a row read by index is about 30


def many_lanes(db: SqliteConnection, kind: str) -> None:
    """As many trees, each with a lane in which one child is ready."""
    db.run("begin")
    db.run(
        "insert into lane(id, priority, kind, root_id, n_ready, turn) with recursive n(i) as"
        " (values(1) union all select i + 1 from n where i < ?) select 1000000 + i, 0, ?, 2000000 + i, 1, i % 7 from n",
        (MANY, kind),
    )
    db.run(
        "insert into job(id, root_id, parent_id, kind, lane_id, ready)"
        " select id, root_id, root_id, kind, id, 1 from lane where id > 1000000"
    )
    db.run("commit")


async def steps_of_a_claim(store: SqlStore, worker_id: int, want: Want) -> tuple[int, int]:
    """(jobs taken, machine instructions)."""
    taken, steps = await steps_of(store, lambda ledger: ledger.claim(want, worker_id, lambda job: True))
    return len(taken), steps


async def steps_of(store: SqlStore, script: Callable[[Ledger], Any]) -> tuple[Any, int]:
    """(the script's answer, machine instructions to the next hundred)."""
    handle = store._backend.db.handle
    counted = 0

    def count() -> bool:
        nonlocal counted
        counted += 1
        return False

    def run(ledger: Ledger) -> Any:
        handle.set_progress_handler(count, 100)
        try:
            return script(ledger)
        finally:
            handle.set_progress_handler(None)

    return await store.write(run), counted * 100


@pytest.mark.parametrize("wanted", ["other", "work"])
async def test_a_claim_beside_a_hundred_thousand_lanes_costs_what_it_takes(
    bench: Bench, db: SqliteConnection, wanted: str
) -> None:
    many_lanes(db, "work")
    assert isinstance(bench.store, SqlStore)

    taken, steps = await steps_of_a_claim(bench.store, bench.hand.worker_id, Want((wanted,), 20))

    assert taken == (20 if wanted == "work" else 0)
    assert steps <= STEPS_A_JOB * (taken + 10)


async def test_the_tree_a_worker_is_bound_to_is_found_among_a_hundred_thousand(
    bench: Bench, db: SqliteConnection
) -> None:
    many_lanes(db, "work")
    assert isinstance(bench.store, SqlStore)

    want = Want(("work", "other"), 20, root_id=2_000_077)
    taken, steps = await steps_of_a_claim(bench.store, bench.hand.worker_id, want)

    assert taken == 1
    assert steps <= STEPS_A_JOB * 10


async def test_trees_of_one_job_share_their_lanes(bench: Bench, tmp_path: Path) -> None:
    await bench.store.write(enqueue, [a_root(payload={"n": n}) for n in range(1_000)])
    await bench.root(a_root("other"), a_root(priority=3))

    assert await bench.store.rows("select kind, priority, n_ready from lane order by kind, priority") == [
        ("other", 0, 1),
        ("work", 0, 1_000),
        ("work", 3, 1),
    ]


async def test_neither_many_trees_of_one_job_nor_a_great_one_starve_each_other(bench: Bench) -> None:
    _, many = await bench.family(500)
    roots = await bench.store.write(enqueue, [a_root(payload={"n": n}) for n in range(500)])

    taken = {job.id for job in await bench.hand.take(100)}

    assert len(taken & set(many)) >= 1
    assert len(taken & {root.id for root in roots}) >= 50
    for _ in range(4):
        taken = {job.id for job in await bench.hand.take(1)} | {job.id for job in await bench.hand.take(1)}
        assert len(taken & set(many)) == 1


def many_hosts(db: SqliteConnection, root_id: int) -> None:
    """As many lanes of a tree, each with one ready child of a host that is busy, or rests for a minute."""
    db.run("begin")
    db.run(
        "insert into limits(id, key, at_once, in_use, apart, next_at) with recursive n(i) as"
        " (values(1) union all select i + 1 from n where i < ?)"
        " select 1000000 + i, 'host' || i, 1, i % 2, (1 - i % 2) * 60000000, (1 - i % 2) * ? from n",
        (HOSTS, START + 60_000_000),
    )
    db.run(
        "insert into lane(id, priority, kind, root_id, limit_id, n_ready, turn)"
        " select id, 0, 'work', ?, id, 1, id % 7 from limits",
        (root_id,),
    )
    db.run(
        "insert into job(id, root_id, parent_id, kind, lane_id, limit_id, ready)"
        " select id, root_id, root_id, kind, id, limit_id, 1 from lane where id > 1000000"
    )
    db.run("commit")


@pytest.mark.parametrize("bound", [False, True])
async def test_a_claim_does_not_look_at_hosts_that_are_busy_or_rest(
    bench: Bench, db: SqliteConnection, bound: bool
) -> None:
    parent = await bench.running()
    many_hosts(db, parent.id)
    assert isinstance(bench.store, SqlStore)
    want = Want(("work",), 20, root_id=parent.id if bound else None)
    await steps_of_a_claim(bench.store, bench.hand.worker_id, want)  # it looks at each once, and lays it to rest
    await bench.hand.spawn(parent, [a_child()])

    taken, steps = await steps_of_a_claim(bench.store, bench.hand.worker_id, want)

    assert taken == 1
    assert steps <= STEPS_A_JOB * 10


async def test_a_host_that_is_free_again_is_all_a_claim_looks_at(bench: Bench, db: SqliteConnection) -> None:
    parent = await bench.running()
    many_hosts(db, parent.id)
    assert isinstance(bench.store, SqlStore)
    want = Want(("work",), 20)
    await steps_of_a_claim(bench.store, bench.hand.worker_id, want)
    for host in (1_000_010, 1_000_020, 1_000_030):
        db.run("update limits set next_at = ? where id = ?", (bench.clock.now(), host))

    taken, steps = await steps_of_a_claim(bench.store, bench.hand.worker_id, want)

    assert taken == 3
    assert steps <= STEPS_A_JOB * 13
    assert await steps_of_a_claim(bench.store, bench.hand.worker_id, want) < (0, STEPS_A_JOB * 10)


async def test_jobs_taken_in_one_statement_are_as_they_are_stored_then(bench: Bench) -> None:
    _, children = await bench.family(4)
    [with_a_past] = await bench.hand.take(1)
    await bench.hand.begin(with_a_past)
    await bench.hand.end(with_a_past, how=How.REFUNDED)
    where = "parent_id is not null and ready = 1 order by id limit ?"

    taken = await bench.store.write(lambda ledger: ledger.find_and_take(where, (2,), bench.hand.worker_id))  # type: ignore[attr-defined]

    assert [job.id for job in taken] == children[:2]
    assert [(job.epoch, job.ready, job.owner) for job in taken] == [(2, 0, 1), (1, 0, 1)]
    assert taken == await bench.store.jobs_by_id(children[:2])
    assert len(await bench.hand.take(10)) == 2


async def test_a_page_of_a_new_host_queues_without_a_look_at_the_others(bench: Bench, db: SqliteConnection) -> None:
    parent = await bench.running()
    many_hosts(db, parent.id)
    assert isinstance(bench.store, SqlStore)
    page = spawned(parent, [a_child(limit=a_limit("a new one"))])

    recorded, steps = await steps_of(bench.store, bench.hand.telling(page))

    assert len(recorded.answers[0].ids) == 1
    assert steps <= STEPS_A_JOB * 20


async def test_the_next_event_of_a_tree_is_found_before_all_that_queue_behind_it(
    bench: Bench, db: SqliteConnection
) -> None:
    await bench.store.write(announce, bench.hand.worker_id, [], [("JobStarted", "shop.told")])
    db.run(
        "insert into delivery(subscriber, root_id, event) with recursive n(i) as"
        " (values(1) union all select i + 1 from n where i < ?) select 'shop.told', 7 + i % 2, x'7b7d' from n",
        (HOSTS,),
    )
    assert isinstance(bench.store, SqlStore)

    for expected in (2, 0):
        taken, steps = await steps_of(
            bench.store, lambda ledger: take_deliveries(ledger, bench.hand.worker_id, ("shop.told",), 64)
        )
        assert len(taken) == expected
        assert steps <= STEPS_A_JOB * 5


async def test_what_failed_in_a_tree_is_found_without_a_look_at_what_did_not(
    bench: Bench, db: SqliteConnection
) -> None:
    parent, _ = await bench.family(3)
    db.run(
        "insert into job(id, root_id, parent_id, kind, status) with recursive n(i) as"
        " (values(1) union all select i + 1 from n where i < ?) select 1000000 + i, ?, ?, 'work', 3 + i / ? from n",
        (HOSTS, parent.id, parent.id, HOSTS),
    )
    assert isinstance(bench.store, SqlStore)

    failed, steps = await steps_of(
        bench.store, lambda ledger: ledger.find.subtree(parent.id, statuses=(JobStatus.FAILED,), limit=100)
    )

    assert [job.id for job in failed] == [1_000_000 + HOSTS]
    assert steps <= STEPS_A_JOB * 5
