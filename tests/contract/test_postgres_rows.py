"""What every commit moves is changed in place: no index has to learn of it, and no table grows by it (HOT updates)."""

from collections.abc import Iterator
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from tests import postgres
from tests.integration.program import wait_for

from quaero.engine.lifecycle.removal import purge
from quaero.engine.lifecycle.retry import delete
from quaero.storage.postgres import connection
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.fresh() as url:
        yield url


OTHERS = """
select count(*) from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
"""


def updates(url: str) -> dict[str, tuple[int, int]]:
    """Rows changed so far, by table: all, and those changed in place. Sessions tell when they end, a moment late."""
    with psycopg.connect(url, autocommit=True) as db:
        wait_for(lambda: db.execute(OTHERS).fetchone() == (0,), "the end of all other sessions")
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


async def test_a_tree_that_is_removed_leaves_no_statements_in_memory(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They list the ids of a thousand jobs each, and no two are alike."""
    made: list[str] = []
    remembered = connection._remembered
    monkeypatch.setattr(connection, "_remembered", lambda sql: made.append(sql) or remembered(sql))
    clock = FakeClock()
    async with SqlStore.open(url, clock=clock) as store:
        bench = await Bench.set_up(store, clock)
        parent, children = await bench.family(1_500)
        await bench.cancel(parent.id)
        await bench.hand.end(parent)
        await bench.settle()
        await store.write(delete, parent.id)
        while await store.write(purge):
            pass
        assert await store.jobs_by_id(children) == []

    assert max(map(len, made)) < 4_000
    assert connection._numbered("select ?, '" + "x" * 10_000 + "', ?").startswith(b"select $1, 'xx")
