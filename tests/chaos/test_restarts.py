"""PostgreSQL restarted every few seconds under load, crashed or in good order: a delay each time, nothing else.

CHAOS_RESTARTS=30 CHAOS_SEED=7 python -m pytest tests/chaos/test_restarts.py -s
"""

import os
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import aiohttp
import anyio
import pytest
from tests.chaos.harness.database import Database
from tests.chaos.harness.stage import staged
from tests.chaos.harness.workload import Workload
from tests.chaos.test_failpoints import free_port
from tests.chaos.test_hosts import insist
from tests.integration.reading import Reader, stored_entries

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(1_800)]
SEED = int(os.environ.get("CHAOS_SEED", "3"))
RESTARTS = int(os.environ.get("CHAOS_RESTARTS", "6"))
EVERY = 10.0  # seconds
WATCHED = 3


@pytest.fixture
def database() -> Iterator[Database]:
    database = Database("127.0.0.1", "127.0.0.1/32")
    yield database
    database.close()


async def test_a_server_that_is_restarted_every_ten_seconds_only_delays(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(f"restarts {SEED}")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    async with staged(tmp_path, url=database.url, lease=15.0, heartbeat=1.0, grace=1.0) as stage:
        for _ in range(2):
            stage.system.start(["work"])
        stage.system.start(["serve", "--port", str(port)])
        await stage.ready()
        load = Workload(stage.store, SEED, work=0.3, failing=0.0)
        stage.accepted = load.accepted
        readers: list[Reader] = []
        down = 0.0
        async with aiohttp.ClientSession() as session, anyio.create_task_group() as reading:
            for n in range(RESTARTS):
                began = time.monotonic()
                while time.monotonic() - began < EVERY:
                    await insist(partial(load.plant, 1))
                    for root in load.accepted[len(readers) : WATCHED]:
                        cursor = f"{stage.store.incarnation}.{root}.0"
                        readers.append(Reader(address, str(root), cursor, random.Random(root), patience=300))
                        reading.start_soon(readers[-1].read_to_the_end, session)
                    await anyio.sleep(dice.uniform(0.5, 1.5))
                went = time.monotonic()
                await anyio.to_thread.run_sync(partial(database.crash, in_order=n % 2 == 1))
                await anyio.sleep(dice.uniform(0.1, 2.0))
                await anyio.to_thread.run_sync(database.start)
                down += time.monotonic() - went
            await stage.quiet(300)
        assert stage.system.revive() == 0, "no supervisor gave up"

        async with aiohttp.ClientSession() as session:
            for reader in readers:
                stored = await stored_entries(session, address, reader.job_id, level="debug")
                assert not (faults := reader.faults(stored)), faults
        verdict = stage.judge()
        with capsys.disabled():
            print(f"\nseed {SEED}: {verdict}; {RESTARTS} restarts, {down:.1f} s away")
        assert not verdict.faults, verdict.faults[:5]
        assert verdict.jobs == len(load.accepted) * load.tree
