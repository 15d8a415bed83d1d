"""`generator`: work to try things out with. It spawns, logs, waits, computes and fails as its payload says.

What fails is decided by the job and its attempt alone, so the same tree always takes the same course.
"""

import asyncio
import random
import time
from typing import Annotated, Any

import msgspec

from quaero.engine.context import JobContext
from quaero.engine.registry import App

KIND = "generator"
DEBUG_SHARE, WARN_SHARE, ERROR_SHARE = 0.15, 0.05, 0.01
WORDS = (
    "opened a page", "read a batch", "checked a record", "wrote a row", "asked a service", "compared two versions",
    "dropped a duplicate", "followed a link", "compressed a part", "verified a sum",
)  # fmt: skip

Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Depth = Annotated[int, msgspec.Meta(ge=0, le=20)]
Millis = Annotated[int, msgspec.Meta(ge=0, le=3_600_000)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1)]


class GeneratedFailure(Exception):
    """A failure the payload asked for."""


def register(app: App) -> None:
    """Add the kind to an application."""
    app.job(kind=KIND)(generate)


async def generate(
    job: JobContext,
    worker_count: Count = 0,
    log_count: Count = 10,
    log_delay_ms: Millis = 0,
    failure_rate: Rate = 0.0,
    child_count: Count = 0,
    recursion_depth: Depth = 1,
    work_ms: Millis = 0,
) -> dict[str, Any]:
    """With `worker_count`, spawn that many workers; without, be one: log, work, spawn `child_count` more, maybe fail.

    `recursion_depth` is how many levels of children there are below a worker. `log_delay_ms` lies between two lines,
    `work_ms` is time on the processor, in slices, so that others have their turn.
    """
    chance = random.Random(f"{job.id}.{job.round}.{job.attempt}")
    below = {"log_count": log_count, "log_delay_ms": log_delay_ms, "failure_rate": failure_rate,
             "child_count": child_count, "work_ms": work_ms}  # fmt: skip
    if worker_count:
        job.log.info("spawning %d workers", worker_count)
        await job.spawn_many(KIND, ({**below, "recursion_depth": recursion_depth} for _ in range(worker_count)))
        return {"workers": worker_count}
    await _write_lines(job, chance, log_count, log_delay_ms)
    await _work(work_ms)
    children = child_count if recursion_depth > 0 else 0
    if children:
        await job.spawn_many(KIND, ({**below, "recursion_depth": recursion_depth - 1} for _ in range(children)))
    if chance.random() < failure_rate:
        raise GeneratedFailure(f"this attempt was to fail (failure_rate {failure_rate:g})")
    job.count("generated_lines", log_count)
    return {"lines": log_count, "children": children}


async def _write_lines(job: JobContext, chance: random.Random, count: int, delay_ms: int) -> None:
    for number in range(1, count + 1):
        share = chance.random()
        text = "%s (%d of %d)"
        values = (WORDS[int(share * 1e6) % len(WORDS)], number, count)
        if share < ERROR_SHARE:
            job.log.error("could not go on at once: " + text, *values)
        elif share < ERROR_SHARE + WARN_SHARE:
            job.log.warning("slower than usual: " + text, *values)
        elif share < ERROR_SHARE + WARN_SHARE + DEBUG_SHARE:
            job.log.debug(text, *values)
        else:
            job.log.info(text, *values)
        if delay_ms:
            job.progress(number, count)
            await asyncio.sleep(delay_ms / 1_000)
        elif number % 1_000 == 0:
            await asyncio.sleep(0)


async def _work(millis: int) -> None:
    """Use the processor for about so many milliseconds."""
    until = time.thread_time() + millis / 1_000
    while time.thread_time() < until:
        sum(number * number for number in range(2_000))
        await asyncio.sleep(0)
