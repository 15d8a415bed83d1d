"""Whether a job costs the same in a tree of a thousand and of a million, and what it costs to look at the tree."""

import asyncio
import statistics
import time

from bench import filled
from bench.figures import Figure, Samples, Scenario
from bench.hosted import Meter, hosted
from bench.lab import Lab, folder
from quaero.storage.sqlstore import SqlStore

READS = 50
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


async def _timed_read(store: SqlStore, root_id: int) -> float:
    began = time.perf_counter()
    job = await store.job(root_id)
    assert job is not None
    assert job.tally.total
    return (time.perf_counter() - began) * 1e3


SCENARIO = Scenario(
    "scale",
    "one parent of 10^6 children beside parents of 10^3 (--quick: 10^5)",
    [small, large, middle],
    [
        Figure("small cost", "CPU a job, parents of 10^3", "µs"),
        Figure("middle cost", "CPU a job, parent of 10^5", "µs"),
        Figure("large cost", "CPU a job, the large parent", "µs"),
        Figure("large cost", "large / 10^3, CPU a job", "x", 1.2, 1.05, over="small cost", low=True),
        Figure("middle cost", "10^5 / 10^3, CPU a job", "x", 1.2, 1.05, over="small cost", low=True),
        Figure("large", "drained from the large parent", commits="large commits"),
        Figure("large read", "its tally, read through the store", "ms", 1, low=True),
        Figure("large disk", "on the disk for each finished child, journal and all", "bytes"),
    ],
    rounds=3,
)
