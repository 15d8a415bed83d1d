"""What every commit moves is changed in place: no index has to learn of it, and no table grows by it (HOT updates)."""

from collections.abc import Iterator

import psycopg
import pytest
from tests import postgres

from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.fresh() as url:
        yield url


def updates(url: str) -> dict[str, tuple[int, int]]:
    """Rows changed so far, by table: all, and those changed in place."""
    with psycopg.connect(url) as db:
        rows = db.execute("select relname, n_tup_upd, n_tup_hot_upd from pg_stat_user_tables").fetchall()
    return {name: (all_, hot) for name, all_, hot in rows}


async def test_lines_of_a_running_job_move_its_rows_in_place(url: str) -> None:
    clock = FakeClock()
    async with SqlStore.open(url, clock=clock) as store:
        bench = await Bench.set_up(store, clock)
        parent, _ = await bench.family(2)
        [child] = await bench.hand.take(1)
        await bench.hand.begin(child)
    before = updates(url)
    async with SqlStore.open(url, clock=clock) as store:
        bench.hand.store = store
        for n in range(60):
            await bench.hand.say(child, f"line {n}")
            await bench.hand.say(parent, f"line {n}")
            await bench.hand.renew()
    after = updates(url)

    moved = {name: (after[name][0] - n, after[name][1] - hot) for name, (n, hot) in before.items()}
    assert moved["job"][0] >= 180
    assert moved["job"][1] >= 0.9 * moved["job"][0]
    assert moved["worker"][0] == 60
    assert moved["worker"][1] >= 50
