"""Whether a job costs the same in a tree of a thousand and of a million, and what it costs to look at the tree.

And whether a claim does beside a hundred thousand hosts that rest, each with a page to fetch.
"""

import asyncio
import statistics
import time

from bench import filled
from bench.figures import Figure, Samples, Scenario
from bench.hosted import Meter, hosted
from bench.lab import Lab, folder
from quaero.domain.facts import Child, Limit
from quaero.domain.job import Job
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.storage.sqlstore import SqlStore
from quaero.testing.drive import Hand

READS = 50
HOUR = 3_600_000_000  # microseconds
SMALL = 1_000
TOTAL = 20_000  # jobs drained in trees of the small size, so that both measurements last


def small(lab: Lab) -> Samples:
    """Many parents of a thousand children."""
    return asyncio.run(_drain("small", SMALL, TOTAL // SMALL))


def middle(lab: Lab) -> Samples:
    """One parent of a hundred thousand."""
    return asyncio.run(_drain("middle", 100_000, 1)) if not lab.quick else {}


def large(lab: Lab) -> Samples:
    """One parent of a million."""
    return asyncio.run(_drain("large", lab.size(1_000_000, 100_000), 1))


async def _drain(name: str, n: int, parents: int) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            roots = [await filled.parent(store, n) for _ in range(parents)]
            read = [await _timed_read(store, roots[-1]) for _ in range(READS)]
        with hosted("worker", place) as host:
            meter = Meter(host)
            async with filled.opened(place) as store:
                await filled.completed(store, (n + 1) * parents)
                samples = meter.samples(name, n * parents, await filled.seconds_of(store, "noop"))
        size = (place / "store.db").stat().st_size
        cost = samples[f"{name} own"] + samples[f"{name} below"]
        return {
            **samples,
            f"{name} cost": cost,
            f"{name} read": statistics.median(read),
            f"{name} disk": size / n / parents,
        }


def few_hosts(lab: Lab) -> Samples:
    """A ready job beside ten hosts that rest."""
    return asyncio.run(_claims("few hosts", 10))


def many_hosts(lab: Lab) -> Samples:
    """A ready job beside a hundred thousand of them."""
    return asyncio.run(_claims("many hosts", lab.size(100_000, 20_000)))


async def _claims(name: str, hosts: int) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            hand = await Hand.start(store, filled.KINDS, HOUR)
            [root] = await store.write(enqueue, [NewJob("fan", filled.PAYLOAD)])
            [parent] = await hand.take(root_id=root.id)
            for start in range(0, hosts, filled.BATCH):
                limits = [Limit(f"host{n}", 1, HOUR) for n in range(start, min(hosts, start + filled.BATCH))]
                await hand.spawn(parent, [Child("noop", filled.PAYLOAD, limit=limit) for limit in limits])
            resting = (await store.write(lambda ledger: ledger.now)) + HOUR
            await store.write(lambda ledger: ledger.run("update limits set next_at = ?", (resting,)))
            assert await hand.take() == []  # every lane is met once, and rests from then on
            taken = [await _timed_claim(hand, parent) for _ in range(READS)]
    return {name: statistics.median(taken)}


async def _timed_claim(hand: Hand, parent: Job) -> float:
    await hand.spawn(parent, [Child("noop", filled.PAYLOAD)])
    began = time.process_time()
    [job] = await hand.take(100)
    took = time.process_time() - began
    await hand.end(job)
    return took * 1e6


async def _timed_read(store: SqlStore, root_id: int) -> float:
    began = time.perf_counter()
    job = await store.job(root_id)
    assert job is not None
    assert job.tally.total
    return (time.perf_counter() - began) * 1e3


SCENARIO = Scenario(
    "scale",
    "one parent of 10^6 children beside parents of 10^3 (--quick: 10^5)",
    [small, large, middle, few_hosts, many_hosts],
    [
        Figure("small cost", "CPU a job, parents of 10^3", "µs"),
        Figure("middle cost", "CPU a job, parent of 10^5", "µs"),
        Figure("large cost", "CPU a job, the large parent", "µs"),
        Figure("large cost", "large / 10^3, CPU a job", "x", 1.2, 1.05, over="small cost", low=True),
        Figure("middle cost", "10^5 / 10^3, CPU a job", "x", 1.2, 1.05, over="small cost", low=True),
        Figure("large", "drained from the large parent", commits="large commits"),
        Figure("large read", "its tally, read through the store", "ms", 1, low=True),
        Figure("large disk", "on the disk for each finished child, journal and all", "bytes"),
        Figure("many hosts", "CPU a claim, beside 10^5 hosts that rest (--quick: 2 x 10^4)", "µs"),
        Figure("many hosts", "10^5 / 10 hosts that rest, CPU a claim", "x", 1.2, 1.05, over="few hosts", low=True),
    ],
    rounds=3,
)
