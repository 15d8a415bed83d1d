"""Events reach their subscribers whoever is lost on the way, and whoever nobody serves any more."""

import pytest

from quaero.engine.lifecycle import sweep, workers
from quaero.engine.lifecycle.deliveries import settle_delivery, stay_subscribed, take_deliveries
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


async def test_a_subscriber_no_worker_has_had_for_a_week_is_forgotten_with_what_waits_for_it(bench: Bench) -> None:
    """Or each change of a job would be kept for a function that was renamed, and go the long way for it."""
    await subscribed(bench, "shop.told", "shop.renamed")
    await bench.root()
    await bench.finish()
    here = [("JobCompleted", "shop.told")]
    names = "select name from subscriber union all select subscriber from delivery order by 1"

    bench.clock.move(6 * 86_400)
    await bench.store.write(stay_subscribed, here)
    await bench.store.write(sweep.trim_small)
    everything = await bench.store.rows(names)
    bench.clock.move(2 * 86_400)
    await bench.store.write(sweep.trim_small)
    rest = await bench.store.rows(names)

    assert everything == [("shop.renamed",)] * 2 + [("shop.told",)] * 2
    assert rest == [("shop.told",)] * 2
    await bench.store.write(stay_subscribed, [("JobCompleted", "shop.renamed")])  # its worker was just slow
    assert len(await bench.store.rows("select 1 from subscriber")) == 2
