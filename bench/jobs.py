"""The handlers that are measured: each does as little as its question allows."""

import asyncio
import logging
import time
from typing import Any

import quaero

app = quaero.App()
log = logging.getLogger(__name__)


@app.job(kind="noop")
async def noop(job: quaero.JobContext) -> None:
    """Nothing: what is left is ours."""


@app.job(kind="plain")
def plain(job: quaero.JobContext) -> None:
    """Nothing, in the process by itself."""


@app.job(kind="arguments")
async def arguments(job: quaero.JobContext, url: str, depth: int = 0) -> Any:
    """Arguments to decode and a result to encode."""
    return {"url": url}


@app.job(kind="one_line")
async def one_line(job: quaero.JobContext) -> None:
    """One line."""
    job.log.info("done with %s", 1)


@app.job(kind="stamp")
async def stamp(job: quaero.JobContext) -> Any:
    """The moment at which the handler's first line ran, in nanoseconds since the epoch."""
    return time.time_ns()


@app.job(kind="fan")
async def fan(job: quaero.JobContext, n: int, child: str) -> None:
    """Spawn `n` children of a kind."""
    await job.spawn_many(child, ({"n": i} for i in range(n)))


@app.job(kind="spawn")
async def spawn(job: quaero.JobContext, n: int) -> None:
    """Spawn `n` children with a payload such as a crawler's."""
    await job.spawn_many("noop", ({"url": "https://example.org/", "n": i} for i in range(n)))


@app.job(kind="spawn_plain")
def spawn_plain(job: quaero.JobContext, n: int) -> None:
    """The same from a plain handler."""
    job.spawn_many("noop", ({"url": "https://example.org/", "n": i} for i in range(n))).wait()


@app.job(kind="trickle", timeout="10m")
async def trickle(job: quaero.JobContext, per_second: int, seconds: int) -> None:
    """Spawn children at a steady rate."""
    for _ in range(10 * seconds):
        await job.spawn_many("noop", ({} for _ in range(per_second // 10)))
        await asyncio.sleep(0.1)


@app.job(kind="talk")
async def talk(job: quaero.JobContext, lines: int) -> None:
    """Write lines such as a crawler or a loader writes."""
    info = job.log.info
    for i in range(lines):
        info(
            "fetched https://example.org/articles/%d in %d ms (status 200, %d bytes)", i, i * 7 % 311, i * 7919 % 90001
        )


@app.job(kind="root_log")
async def root_log(job: quaero.JobContext, lines: int) -> None:
    """Lines of the root logger, as scripts write them."""
    for i in range(lines):
        logging.info("line %d of work", i)


@app.job(kind="module_log")
async def module_log(job: quaero.JobContext, lines: int) -> None:
    """Lines of a module's logger, as libraries write them."""
    for i in range(lines):
        log.info("line %d of work", i)


@app.job(kind="print")
async def printing(job: quaero.JobContext, lines: int) -> None:
    """Printed lines."""
    for i in range(lines):
        print("line", i, "of work")
