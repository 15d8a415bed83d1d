"""How long it takes until a cancelled tree is quiet, or a stretch of its children, and what others wait meanwhile."""

import asyncio
import time

from bench import filled
from bench.figures import Figure, Samples, Scenario
from bench.hosted import Meter, hosted
from bench.lab import Lab, folder
from quaero.engine.lifecycle.bulk import Order, order
from quaero.engine.lifecycle.cancel import cancel
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.storage.port import JobFilter

LATER = 2**50  # microseconds: a job that is not due while this runs
PAUSE_SECONDS = 0.002


def cancel_pending(lab: Lab) -> Samples:
    """A hundred thousand pending children, cancelled by another process than the worker."""
    return asyncio.run(_cancel(100_000))


async def _cancel(n: int) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            root = await filled.parent(store, n, filled.PARKED)
            with hosted("worker", place) as host:
                meter = Meter(host)
                began = time.perf_counter()
                await store.write(cancel, root)
                answered = time.perf_counter() - began
                while (job := await store.job(root)) is None or not job.is_terminal:
                    await asyncio.sleep(0.005)
                samples = meter.samples("cancelled", n)
        return {**samples, "seconds": time.perf_counter() - began, "answer": answered * 1e3}


def cancel_range(lab: Lab) -> Samples:
    """Twenty thousand neighbours among the pending children, cancelled by a bulk action."""
    return asyncio.run(_cancel_range(20_000))


async def _cancel_range(n: int) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            root = await filled.parent(store, n + 10, filled.PARKED)
            with hosted("worker", place) as host:
                meter, waits = Meter(host), []
                where = JobFilter(parent_id=root, children=(root + 1, root + n), descending=False)
                began = time.perf_counter()
                wanted = await store.write(order, Order(action="cancel", asked={}, where=where, total=n))
                while (job := await store.job(wanted.id)) is None or not job.is_terminal:
                    asked = time.perf_counter()
                    await store.write(enqueue, [NewJob(filled.PARKED, run_at=LATER)])
                    waits.append((time.perf_counter() - asked) * 1e3)
                    await asyncio.sleep(PAUSE_SECONDS)
                samples = meter.samples("range", n)
        waits.sort()
        return {**samples, "range seconds": time.perf_counter() - began, "beside": waits[int(len(waits) * 0.99)]}


SCENARIO = Scenario(
    "cancel",
    "a tree of 100,000 pending children",
    [cancel_pending, cancel_range],
    [
        Figure("answer", "cancel until its answer: nothing below starts any more", "ms"),
        Figure("cancelled", "closed", commits="cancelled commits"),
        Figure("seconds", "cancel until everything is terminal", "s", 2, 0.5, low=True),
        Figure("cancelled own", "  worker process, CPU a job", "µs"),
        Figure("range seconds", "20,000 neighbouring children, by a bulk action", "s", 2, low=True),
        Figure("range own", "  worker process, CPU a job", "µs"),
        Figure("beside", "  another process's small write meanwhile, p99", "ms", 50, 15, low=True),
    ],
)
