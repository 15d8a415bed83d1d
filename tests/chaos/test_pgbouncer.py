"""Through PgBouncer in transaction mode every promise holds; only LISTEN is lost, and looking takes its place.

Nothing here is skipped: where PgBouncer is missing, `make chaos` installs it or these tests fail.
"""

import asyncio
import random
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import aiohttp
import psycopg
import pytest
from tests import postgres
from tests.chaos.harness.pooler import SESSIONS, Pooler
from tests.chaos.harness.stage import staged
from tests.chaos.harness.storm import Storm, run_storm
from tests.chaos.harness.workload import Workload
from tests.chaos.test_failpoints import free_port
from tests.contract.test_postgres_store import TestPostgresStore as Contract
from tests.integration.reading import Reader, stored_entries

from quaero.doorbell.postgres import PostgresDoorbell
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.postgres.greeting import greet

pytestmark = pytest.mark.anyio
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "grow-to-postgresql.md"


@pytest.fixture(scope="module")
def pooler() -> Iterator[Pooler]:
    pooler = Pooler()
    yield pooler
    pooler.close()


@pytest.fixture
def url(pooler: Pooler) -> Iterator[str]:
    with postgres.fresh() as url:
        yield pooler.through(url)


class TestStoreThroughPgBouncer(Contract):
    """The whole contract of a store, every connection through the pooler."""

    @pytest.fixture(autouse=True)
    def by_way_of(self, pooler: Pooler) -> None:
        self.pooler = pooler

    def url(self, folder: Path) -> str:
        return self.pooler.through(super().url(folder))


def test_it_starts_with_what_the_how_to_says(url: str) -> None:
    [said] = re.findall(r"\[pgbouncer\]\n(.*?)```", HOW_TO.read_text(), re.S)
    pooler = Pooler(said)
    try:
        with psycopg.connect(pooler.through(url)) as db:
            assert db.execute("select 1").fetchall() == [(1,)]
    finally:
        pooler.close()


def test_a_pooler_is_noticed(url: str) -> None:
    with psycopg.connect(postgres.server(), autocommit=True) as direct, psycopg.connect(url, autocommit=True) as pooled:
        assert (greet(direct).is_pooled, greet(direct).prepares) == (False, True)
        assert greet(pooled).is_pooled


def test_sessions_that_are_lent_to_many_carry_nothing_over(url: str) -> None:
    """More connections than sessions, each of them asking the same things several times, all at once."""
    connections = [PostgresConnection(url) for _ in range(3 * SESSIONS)]
    for _ in range(5):
        for db in connections:
            db.run("begin")
            assert db.rows("select ?", (7,)) == [(7,)]
            db.run("set local statement_timeout = '7s'")
            db.run("commit")
            assert db.rows("select current_setting('statement_timeout')") == [("0",)]
    for db in connections:
        db.close()


async def test_the_doorbell_rings_through_it_and_hears_nothing(url: str, pooler: Pooler) -> None:
    database = url.rpartition("/")[2]
    with (
        closing(PostgresDoorbell(postgres.database(database))) as direct,
        closing(PostgresDoorbell(url)) as pooled,
    ):
        assert await asyncio.to_thread(direct.listens, 30)
        pooled.ring()
        assert await direct.wait(10)
        direct.ring()
        assert not await pooled.wait(0.3)


async def test_two_workers_and_a_gateway_run_through_it(url: str, tmp_path: Path) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    async with staged(tmp_path, url=url, lease=5.0, heartbeat=0.5, grace=1.0) as stage:
        for _ in range(2):
            stage.system.start(["work"])
        stage.system.start(["serve", "--port", str(port)])
        await stage.ready()
        load = Workload(stage.store, seed=4, width=10, leaves=30, work=0.2)
        stage.accepted = load.accepted
        await load.plant(2)
        readers = [
            Reader(address, str(root), f"{stage.store.incarnation}.{root}.0", random.Random(root), cut_within=50_000)
            for root in load.accepted
        ]
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(reader.read_to_the_end(session) for reader in readers))
            for reader in readers:
                stored = await stored_entries(session, address, reader.job_id, level="debug")
                assert not (faults := reader.faults(stored)), faults
            assert await picked_up(session, address) < 1.5, "new work is found by looking"
        await stage.quiet()

        verdict = stage.judge(whole_trees=False)
        assert not verdict.faults, verdict.faults
        assert verdict.jobs >= 2 * load.tree


async def picked_up(session: aiohttp.ClientSession, address: str) -> float:
    """Seconds from an accepted job to its end, for a job that takes none, when nothing else happens."""
    began = time.monotonic()
    async with session.post(f"{address}/api/jobs", json={"kind": "nap", "payload": {"seconds": 0}}) as answer:
        job_id = (await answer.json())["id"]
    while True:
        async with session.get(f"{address}/api/jobs/{job_id}") as answer:
            if (await answer.json())["status"] == "completed":
                return time.monotonic() - began


async def test_kills_behind_it_lose_nothing(url: str, tmp_path: Path) -> None:
    verdict = await run_storm(Storm(13, jobs=1_000, kills=10), tmp_path, url)

    assert not verdict.faults, verdict.faults[:5]
