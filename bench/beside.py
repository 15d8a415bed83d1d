"""What another process waits for a small write while a worker saturates the store."""

import asyncio
import time

from bench import filled
from bench.figures import Figure, Samples, Scenario
from bench.hosted import Meter, hosted
from bench.lab import Lab, folder
from quaero.engine.lifecycle.enqueue import NewJob, enqueue

LATER = 2**50  # microseconds: a job that is not due while this runs
PAUSE_SECONDS = 0.005


def beside(lab: Lab) -> Samples:
    """One job accepted at a time, while two executors drain a parent."""
    return asyncio.run(_beside(lab.size(200_000, 60_000), 0, ""))


def beside_slow(lab: Lab) -> Samples:
    """The same where the worker's fsync takes 2 ms."""
    return asyncio.run(_beside(lab.size(100_000, 40_000), 2, "slow "))


async def _beside(n: int, fsync_ms: float, name: str) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            await filled.parent(store, n)
            with hosted("worker", place, fsync_ms=fsync_ms) as host:
                meter = Meter(host)
                waits = []
                while True:
                    began = time.perf_counter()
                    await store.write(enqueue, [NewJob(filled.PARKED, run_at=LATER)])
                    waits.append((time.perf_counter() - began) * 1e3)
                    await asyncio.sleep(PAUSE_SECONDS)
                    [[done]] = await store.rows("select coalesce(sum(completed), 0) from counter")
                    if done > n:
                        break
                samples = meter.samples(f"{name}drained", n, await filled.seconds_of(store, "noop"))
        waits.sort()
        return {**samples, f"{name}p50": waits[len(waits) // 2], f"{name}p99": waits[int(len(waits) * 0.99)]}


SCENARIO = Scenario(
    "beside",
    "a small write of a second process beside a worker that writes all the time",
    [beside, beside_slow],
    [
        Figure("p50", "p50", "ms", low=True),
        Figure("p99", "p99", "ms", 50, 15, low=True),
        Figure("drained", "  jobs drained meanwhile", commits="drained commits"),
        Figure("slow p50", "p50, the worker's fsync takes 2 ms", "ms", low=True),
        Figure("slow p99", "p99, the worker's fsync takes 2 ms", "ms", 50, 15, low=True),
        Figure("slow drained", "  jobs drained meanwhile", commits="slow drained commits"),
    ],
)
