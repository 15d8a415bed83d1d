"""Many writers of one PostgreSQL store at once: whatever they do to the same trees, every count stays exact."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from tests import postgres

from quaero.domain.errors import Conflict
from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle.cancel import advance, cancel
from quaero.engine.lifecycle.retry import retry
from quaero.storage.doctor import examine
from quaero.storage.port import EntryFilter
from quaero.storage.postgres import standstill
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.postgres.words import PostgresWords
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock, Hand
from quaero.testing.factories import a_child, a_limit, a_root, an_error, began, ended, lines, spawned

pytestmark = pytest.mark.anyio
WORKERS = 4
DEPTH = 4
PATIENCE = 90.0  # seconds


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.fresh() as url:
        yield url


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def stores(url: str, clock: FakeClock) -> AsyncIterator[list[SqlStore]]:
    """Openings of one store, each with a writer thread and connections of its own; in order at the end."""
    async with AsyncExitStack() as stack:
        opened = [SqlStore.open(url, clock=clock, rng=random.Random(n)) for n in range(WORKERS)]
        for store in opened:
            await stack.enter_async_context(store)
        yield opened
    db = PostgresConnection(url)
    findings = examine(db, clock.now())
    db.close()
    assert findings == []


async def work(hand: Hand, seed: int, fan: int, failing: float = 0.0) -> int:
    """Take jobs and run them until nothing is left to do: those above the last level spawn `fan` children each."""
    rng = random.Random(seed)
    done = idle = 0
    while idle < 40:
        jobs = await hand.take(rng.choice([1, 3, 10]))
        if not jobs:
            await hand.store.write(advance, 100)
            stats = await hand.store.stats()
            open_ones = stats.counts.pending + stats.counts.running + stats.counts.waiting
            idle = idle + 1 if not open_ones else 0
            if not open_ones:
                return done
            continue
        facts = []
        for job in jobs:
            facts.append(began(job))
            if rng.random() < 0.3:
                facts.append(lines(job, f"at level {job.depth}"))
            if job.depth < DEPTH - 1:
                facts.append(spawned(job, [a_child(payload={"n": n}) for n in range(fan)]))
        await hand.tell(*facts)
        ends = []
        for job in jobs:
            fails = rng.random() < failing
            ends.append(ended(job, How.FAILED, error=an_error("odd", final=True)) if fails else ended(job))
        await hand.tell(*ends)
        done += len(jobs)
    return done


async def test_four_workers_finish_trees_four_levels_deep(stores: list[SqlStore], clock: FakeClock) -> None:
    bench = await Bench.set_up(stores[0], clock)
    hands = [bench.hand, *[await Hand.start(store, bench.hand.kinds) for store in stores[1:]]]
    roots = [await bench.root() for _ in range(3)]

    async with asyncio.timeout(PATIENCE):
        done = await asyncio.gather(*(work(hand, seed, 3) for seed, hand in enumerate(hands)))

    assert sum(done) == 3 * (1 + 3 + 9 + 27)
    for root_id in roots:
        job = await bench.job(root_id)
        assert (S(job.status), job.below.completed) == (S.COMPLETED, 39)
        page = await bench.store.entries(root_id, EntryFilter(), limit=100_000)
        assert [entry.seq for entry in page.entries] == list(range(1, page.head + 1))


async def test_what_fails_is_cancelled_and_retried_meanwhile_stays_exact(
    stores: list[SqlStore], clock: FakeClock
) -> None:
    bench = await Bench.set_up(stores[0], clock)
    hands = [bench.hand, *[await Hand.start(store, bench.hand.kinds) for store in stores[1:]]]
    roots = [await bench.root(a_root(max_attempts=1)) for _ in range(6)]

    async def disturb() -> None:
        rng = random.Random(7)
        for _ in range(25):
            store, root_id = rng.choice(stores), rng.choice(roots)
            script, options = rng.choice([(cancel, ()), (retry, (True,)), (retry, ())])
            try:
                await store.write(script, root_id, *options)  # type: ignore[arg-type]
            except Conflict:
                continue

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(disturb(), *(work(hand, seed, 3, failing=0.1) for seed, hand in enumerate(hands)))
        await asyncio.gather(*(work(hand, seed, 3) for seed, hand in enumerate(hands)))

    assert all(S(job.status).is_terminal for job in await bench.store.jobs_by_id(roots))


async def test_a_limit_is_kept_by_all_workers_together(stores: list[SqlStore], clock: FakeClock) -> None:
    bench = await Bench.set_up(stores[0], clock)
    hands = [bench.hand, *[await Hand.start(store, bench.hand.kinds) for store in stores[1:]]]
    parent = await bench.running()
    children = [a_child(payload={"n": n}, limit=a_limit(f"host {n % 3}", 2)) for n in range(60)]
    await bench.hand.spawn(parent, children)
    most = 0
    of_one_limit = "select count(*) from job where owner is not null and limit_id is not null group by limit_id"

    async def run(hand: Hand) -> None:
        nonlocal most
        jobs = await hand.take(4)
        while jobs or (await bench.job(parent.id)).tally.pending:
            # as the store has it: what is taken here and there is heard of in another order than it was recorded
            most = max(most, *(count for (count,) in await bench.store.rows(of_one_limit)), 0)
            await hand.end(*jobs)
            jobs = await hand.take(4)

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(run(hand) for hand in hands))
    await bench.hand.end(parent)

    assert most == 2
    assert (await bench.job(parent.id)).tally.completed == 60


async def test_jobs_held_twice_are_never_seen(stores: list[SqlStore], clock: FakeClock) -> None:
    bench = await Bench.set_up(stores[0], clock)
    hands = [bench.hand, *[await Hand.start(store, bench.hand.kinds) for store in stores[1:]]]
    await bench.family(800)
    seen: list[int] = []

    async def all_of(hand: Hand) -> None:
        empty = 0
        while empty < 3:
            jobs: list[Job] = await hand.take(7)
            seen.extend(job.id for job in jobs)
            empty = 0 if jobs else empty + 1

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(all_of(hand) for hand in hands))

    assert len(seen) == len(set(seen)) == 800


async def test_a_read_after_the_server_came_back_is_answered_at_once() -> None:
    with postgres.fresh() as url:
        async with SqlStore.open(url) as store:
            await asyncio.gather(*(store.stats() for _ in range(20)))
            with psycopg.connect(url, autocommit=True) as other:
                other.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                )

            await asyncio.gather(*(store.stats() for _ in range(20)))


async def test_a_store_that_lacks_nothing_is_opened_while_another_program_migrates_it(url: str) -> None:
    with psycopg.connect(url) as other:
        other.execute(PostgresWords.begin_migration.removeprefix("begin; ").encode())
        opening = asyncio.create_task(asyncio.to_thread(SqlStore.open, url))

        opened, _ = await asyncio.wait({opening}, timeout=PATIENCE)
        other.rollback()
        await (await opening).close()

    assert opened


@pytest.mark.parametrize("where", ["between statements", "in a pipeline", "behind a pipeline", "in an answer"])
async def test_one_who_stands_still_in_a_transaction_holds_nobody_up_for_long(
    stores: list[SqlStore], clock: FakeClock, url: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker that is stopped does, or one whose host is gone."""
    monkeypatch.setattr(standstill, "STILL_SECONDS", 0.5)
    monkeypatch.setattr(standstill, "LOOK_SECONDS", 0.1)
    bench = await Bench.set_up(stores[0], clock)
    parent = await bench.running()
    still = PostgresConnection(url)
    still.script("begin; set local idle_in_transaction_session_timeout = '500ms'")
    still.rows("select 1 from job where id = ? for no key update", (parent.id,))
    if where == "in a pipeline":
        still.handle.pgconn.enter_pipeline_mode()
        still.handle.pgconn.send_query_params(b"select 1", [])
        still.handle.pgconn.send_flush_request()
        still.handle.pgconn.flush()
    elif where == "behind a pipeline":  # the last message of one is such that the server no longer counts the time
        with still.together():
            still.run("select 1")
    elif where == "in an answer":  # longer than what the system keeps for one who does not read
        still.handle.pgconn.send_query(b"select repeat('x', 20000000)")
        still.handle.pgconn.flush()

    said = asyncio.ensure_future(bench.hand.say(parent, "line"))
    async with asyncio.timeout(8):  # less than the wait for a lock may take
        while not said.done():
            await stores[1].write(lambda ledger: None)

    assert (await said).stale == []
    eye = PostgresConnection(url)
    assert eye.rows("select 1 from pg_stat_activity where pid = ?", (still.handle.info.backend_pid,)) == []
    eye.close()
    still.close()
    await bench.hand.end(parent)


async def test_one_who_stood_still_for_too_long_does_it_again(
    stores: list[SqlStore], clock: FakeClock, url: str
) -> None:
    bench = await Bench.set_up(stores[0], clock)
    parent = await bench.running()
    runs = 0

    def stand_still(ledger: Any) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            ledger.db.run("set local idle_in_transaction_session_timeout = '50ms'")
            eye = PostgresConnection(url)
            while eye.rows("select 1 from pg_stat_activity where pid = ?", (ledger.db.handle.info.backend_pid,)):
                continue
            eye.close()
        bench.hand.telling(lines(parent, "line"))(ledger)

    await stores[0].write(stand_still)

    assert runs == 2
    page = await stores[0].entries(parent.id, EntryFilter(), limit=100)
    assert [entry.message for entry in page.entries if entry.originator == 0] == ["line"]
    await bench.hand.end(parent)
