"""What a claim on PostgreSQL walks over: old versions of rows stay in its indexes as long as anybody may see them."""

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from tests import postgres

from quaero.domain.errors import Conflict
from quaero.domain.facts import How
from quaero.storage.port import Ledger
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock

pytestmark = pytest.mark.anyio
CHILDREN, AT_ONCE = 600, 20


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.fresh() as url:
        yield url


@pytest.fixture
async def bench(url: str) -> AsyncIterator[Bench]:
    clock = FakeClock()
    async with SqlStore.open(url, clock=clock) as store:
        yield await Bench.set_up(store, clock)


async def test_a_snapshot_that_is_held_open_does_not_make_claims_walk_over_all_that_was_taken(url: str) -> None:
    clock = FakeClock()
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as onlooker:
        async with SqlStore.open(url, clock=clock) as store:
            bench = await Bench.set_up(store, clock)
            await bench.family(CHILDREN)
            holder.execute("set transaction isolation level repeatable read")
            holder.execute("select count(*) from job")

            taken = [job.id for _ in range(CHILDREN // AT_ONCE) for job in await bench.hand.take(AT_ONCE)]
            await store.write(lambda ledger: ledger.rows("select pg_stat_force_next_flush()"))

        assert len(set(taken)) == CHILDREN
        counted = "select idx_tup_read from pg_stat_user_indexes where indexrelname = 'job_ready'"
        walked = onlooker.execute(counted.encode()).fetchone()
        assert walked is not None
        assert CHILDREN <= walked[0] <= 3 * CHILDREN


async def test_a_job_that_came_back_is_not_passed_by_for_longer_than_a_second(bench: Bench) -> None:
    _, children = await bench.family(60)
    first = await bench.hand.take(10)
    await bench.hand.end(first[0], how=How.UNTOUCHED)

    passed_by = await bench.hand.take(10)
    bench.clock.move(1)
    then = await bench.hand.take(10)

    assert [job.id for job in passed_by] == children[10:20]
    assert [job.id for job in then] == [first[0].id, *children[20:29]]


async def test_what_a_claim_took_that_was_undone_is_taken_next(bench: Bench) -> None:
    _, children = await bench.family(60)
    first = await bench.hand.take(10)

    def take_and_fail(ledger: Ledger) -> None:
        assert len(bench.hand.taking(10)(ledger)) == 10
        raise Conflict("undone")

    with pytest.raises(Conflict):
        await bench.store.write(take_and_fail)
    then = await bench.hand.take(10)

    assert [job.id for job in first + then] == children[:20]


async def test_a_claim_that_comes_out_short_looks_at_the_front_at_once(bench: Bench) -> None:
    _, children = await bench.family(30)
    first = await bench.hand.take(10)
    await bench.hand.end(*first[:5], how=How.UNTOUCHED)

    rest = await bench.hand.take(30)

    assert sorted(job.id for job in rest) == sorted([*children[:5], *children[10:]])
    assert {job.epoch for job in rest if job.id in children[:5]} == {2}
