"""The handlers that are measured: each does as little as its question allows."""

import time
from typing import Any

import quaero

app = quaero.App()


@app.job(kind="noop")
async def noop(job: quaero.JobContext) -> None:
    """Nothing: what is left is ours."""


@app.job(kind="fan")
async def fan(job: quaero.JobContext, n: int, child: str) -> None:
    """Spawn `n` children."""
    await job.spawn_many(child, ({"n": i} for i in range(n)))


@app.job(kind="talk")
async def talk(job: quaero.JobContext, lines: int) -> None:
    """Write lines such as a crawler or a loader writes."""
    info = job.log.info
    for i in range(lines):
        info("fetched https://example.org/articles/%d in %d ms (status 200, %d bytes)", i, i * 7 % 311, i * 7919 % 90001)


@app.job(kind="stamp")
async def stamp(job: quaero.JobContext) -> Any:
    """The moment at which the handler's first line ran, in nanoseconds since the epoch."""
    return time.time_ns()
