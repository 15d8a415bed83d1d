"""What a worker does for its subscribers beside carrying events to them."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from quaero.engine.protocol import Setup
from quaero.engine.worker import deliveries as module
from quaero.engine.worker.deliveries import Deliveries
from quaero.engine.worker.pool import Pool
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock

pytestmark = pytest.mark.anyio
PATIENCE = 60.0  # seconds


async def test_a_worker_says_now_and_then_that_its_subscribers_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAID_EVERY", 0.0)
    clock = FakeClock()
    async with SqlStore.open(f"sqlite:///{tmp_path}/quaero.db", clock=clock) as store:
        bench = await Bench.set_up(store, clock)
        pool = Pool(1, Setup(None), clock, lambda *_: None, lambda _: None)  # no executor is started
        carrier = Deliveries(store, pool)
        carrier.worker_id = bench.hand.worker_id
        carrier.subscriptions = [("JobFailed", "shop.told")]
        clock.move(3_600)

        carrying = asyncio.create_task(carrier.carry())
        async with asyncio.timeout(PATIENCE):
            while not await store.rows("select 1 from subscriber where seen_at = ?", (clock.now(),)):
                await asyncio.sleep(0)
        carrying.cancel()
        with suppress(asyncio.CancelledError):
            await carrying

        assert await store.rows("select name, event from subscriber") == [("shop.told", "JobFailed")]
