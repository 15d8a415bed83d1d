"""What every commit moves is changed in place: no index has to learn of it, and no table grows by it (HOT updates)."""

from collections.abc import Iterator
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
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


async def test_every_transaction_has_its_timeouts(url: str) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "synchronous_commit")
    sql = f"select {', '.join(f'current_setting({name!r})' for name in names)}"
    careless = make_conninfo(url, options="-c synchronous_commit=off")

    async with SqlStore.open(f"postgresql:///?{urlencode(conninfo_to_dict(careless), quote_via=quote)}") as store:
        assert await store.write(lambda ledger: ledger.rows(sql)) == [("30s", "10s", "15s", "on")]
        assert [row[0] for row in await store.rows(sql)] == ["1min"]
        assert (await store.rows(sql))[0][2] == "1min"
