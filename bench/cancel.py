"""How long it takes until a cancelled tree is quiet."""

import asyncio
import time

from bench import filled
from bench.figures import Figure, Samples, Scenario
from bench.hosted import Meter, hosted
from bench.lab import Lab, folder
from quaero.engine.lifecycle.cancel import cancel


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


SCENARIO = Scenario(
    "cancel",
    "a tree of 100,000 pending children",
    [cancel_pending],
    [
        Figure("answer", "cancel until its answer: nothing below starts any more", "ms"),
        Figure("cancelled", "closed", commits="cancelled commits"),
        Figure("seconds", "cancel until everything is terminal", "s", 2, 0.5, low=True),
        Figure("cancelled own", "  worker process, CPU a job", "µs"),
    ],
)
