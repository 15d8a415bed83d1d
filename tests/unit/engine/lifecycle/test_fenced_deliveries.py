"""Events reach their subscribers whoever is lost on the way, and whoever nobody serves any more."""

import pytest

from quaero.engine.lifecycle import workers
from quaero.engine.lifecycle.deliveries import settle_delivery, take_deliveries
from quaero.storage.port import Ledger
from quaero.testing import Bench, Hand

pytestmark = pytest.mark.anyio
MANY = 70  # more than are taken at once


async def subscribed(bench: Bench, *names: str) -> None:
    def announce(ledger: Ledger) -> None:
        workers.announce(ledger, bench.hand.worker_id, [], [("JobCompleted", name) for name in names])

    await bench.store.write(announce)


async def test_a_worker_that_was_swept_takes_no_event_and_what_it_had_goes_to_others(bench: Bench) -> None:
    await subscribed(bench, "shop.told")
    await bench.root()
    await bench.finish()
    [taken] = await bench.store.write(take_deliveries, bench.hand.worker_id, ("shop.told",), 10)
    bench.clock.move(21)
    await bench.store.write(workers.sweep_workers)

    again = await bench.store.write(take_deliveries, bench.hand.worker_id, ("shop.told",), 10)
    await bench.store.write(settle_delivery, bench.hand.worker_id, taken, None)
    other = await Hand.start(bench.store, bench.hand.kinds)
    theirs = await bench.store.write(take_deliveries, other.worker_id, ("shop.told",), 10)

    assert again == []
    assert [delivery.id for delivery in theirs] == [taken.id]


async def test_events_of_a_subscriber_nobody_serves_do_not_hold_up_the_others(bench: Bench) -> None:
    await subscribed(bench, "removed.long_ago")
    for _ in range(MANY):
        await bench.root()
    await bench.finish()
    await subscribed(bench, "shop.told")
    root_id = await bench.root()
    await bench.finish()

    taken = await bench.store.write(take_deliveries, bench.hand.worker_id, ("shop.told",), 64)

    assert [delivery.root_id for delivery in taken] == [root_id]
