"""How fast log lines go from a handler to the disk, and how much room one takes there."""

import asyncio
import logging
import time
from pathlib import Path

import apsw

from bench import filled
from bench.figures import Figure, Samples, Scenario
from bench.hosted import Meter, hosted
from bench.lab import Lab, folder, settings_of
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.storage.sqlite import database_path


def one_handler(lab: Lab) -> Samples:
    """One handler on one executor."""
    return asyncio.run(_talk("one", lab.size(500_000, 100_000), 1))


def two_handlers(lab: Lab) -> Samples:
    """A handler on each of two executors."""
    return asyncio.run(_talk("two", lab.size(500_000, 100_000), 2))


def stdlib(lab: Lab) -> Samples:
    """The standard library alone: the same call with a handler that formats and drops the line."""

    class Drop(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            self.format(record)

    log = logging.Logger("bench", logging.INFO)
    log.addHandler(Drop())
    n = lab.size(300_000, 100_000)
    began = time.process_time()
    for i in range(n):
        log.info("fetched https://example.org/articles/%d in %d ms (status 200, %d bytes)", i, i * 7 % 311, i)
    return {"stdlib": n / (time.process_time() - began)}


async def _talk(name: str, lines: int, executors: int) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            await filled.announce(store)
            empty = _size(place)
            with hosted("worker", place, executors=executors) as host:
                meter = Meter(host)
                request = NewJob("talk", b'{"lines":%d}' % lines)
                await store.write(enqueue, [request] * executors)
                await filled.completed(store, executors)
                seconds = await filled.seconds_of(store, "talk")
                samples = meter.samples(name, lines * executors, seconds)
        return {**samples, f"{name} bytes": (_size(place) - empty) / lines / executors}


def _size(place: Path) -> int:
    """Bytes of the database with everything in the one file."""
    path = database_path(settings_of(place).store.url)
    connection = apsw.Connection(str(path))
    connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    connection.close()
    return path.stat().st_size


SCENARIO = Scenario(
    "logs",
    "log lines a second, from `job.log.info` to the commit",
    [one_handler, stdlib, two_handlers],
    [
        Figure("one", "1 executor", bar=100_000, aim=200_000, commits="one commits"),
        Figure("one own", "  worker process, CPU a line", "µs"),
        Figure("one below", "  executor, CPU a line", "µs"),
        Figure("two", "2 executors", bar=100_000, aim=200_000, commits="two commits"),
        Figure("two own", "  worker process, CPU a line", "µs"),
        Figure("two below", "  executors, CPU a line", "µs"),
        Figure("stdlib", "`Logger.info` alone, formatted and dropped"),
        Figure("one", "1 executor / `Logger.info` alone", "x", over="stdlib"),
        Figure("one bytes", "on the disk for a line of about 80 characters", "bytes", 30, 15, low=True),
    ],
)
