"""PostgreSQL: many workers on one server, beside pgqueuer and procrastinate on the same one in the same minutes."""

import asyncio
import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench import filled, probe, server
from bench.bells import GATEWAYS, doorbell, gateways
from bench.figures import Figure, Samples, Scenario
from bench.hosted import Hosted, hosted
from bench.lab import PYTHONPATH, Lab, environ, folder, process
from bench.peers import drained
from quaero.engine.lifecycle.enqueue import NewJob, enqueue

WORKERS = 4
LINES = 200
CONCURRENCY = "500"  # of an executor; the usual 100 for jobs that do nothing is what pgqueuer's usual batch of 10 is
LOOK_SECONDS = 0.05


async def _drain(name: str, n: int, parents: int, kind: str = "noop") -> Samples:
    """`n` children of so many parents, run by four workers with one executor each."""
    tuned = environ(BENCH_CONCURRENCY=CONCURRENCY)
    with server.database() as url, environ(BENCH_STORE=url), tuned, folder() as place, ExitStack() as stack:
        async with filled.opened(place) as store:
            for _ in range(parents):
                await filled.parent(store, n // parents, kind)
        server.settle(url)
        hosts = _together(stack, place, WORKERS)
        commits, used, waits = sum(host.commits for host in hosts), [host.cpu for host in hosts], []
        onlooker = server.Onlooker(url)
        stack.callback(onlooker.close)
        async with filled.opened(place) as store, asyncio.timeout(600):
            while True:
                [[done]] = await store.rows("select coalesce(sum(completed), 0) from counter")
                if done >= n + parents:
                    break
                waits.append(onlooker.waiting())
                await asyncio.sleep(LOOK_SECONDS)
            seconds = await filled.seconds_of(store, kind)
            at_server = onlooker.cpu()
        own, below = (sum(host.cpu[i] - before[i] for host, before in zip(hosts, used, strict=True)) for i in (0, 1))
        committed = sum(host.commits for host in hosts) - commits
        return {
            name: n / seconds,
            f"{name} commits": committed / seconds,
            f"{name} waits": 100 * sum(waits) / max(1, len(waits)) / WORKERS,
            **{f"{name} {who}": cpu / n * 1e6 for who, cpu in (("server", at_server), ("own", own), ("below", below))},
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
    with server.database() as url, environ(BENCH_STORE=url), folder() as place, ExitStack() as stack:
        async with filled.opened(place) as store:
            await filled.announce(store)
            await store.write(enqueue, [NewJob("talk", b'{"lines": %d}' % LINES) for _ in range(jobs)])
        _together(stack, place, 2)
        async with filled.opened(place) as store:
            await filled.completed(store, jobs)
            return 1 / await filled.seconds_of(store, "talk")


def pgqueuer(lab: Lab) -> Samples:
    """pgqueuer, batches of 100, as many processes as we have workers (it gains by them)."""
    return _peer("pgqueuer", lab.size(100_000, 20_000), ("asyncpg", "pgqueuer"))


def procrastinate(lab: Lab) -> Samples:
    """procrastinate, as many processes, with ten at a time."""
    return _peer("procrastinate", lab.size(4_000, 1_000), ("procrastinate",))


def _peer(name: str, n: int, needs: tuple[str, ...]) -> Samples:
    if not all(importlib.util.find_spec(need) for need in needs):
        return {}
    program = (sys.executable, "-c", f"from bench.{name}_jobs import main; main()")  # an app of `__main__` is not found
    with server.database() as url, folder() as place:
        probe.create(place / "probe")
        with environ(BENCH_STORE=url, BENCH_PROBE=str(place / "probe")), ExitStack() as stack:
            variables = {**os.environ, "PYTHONPATH": PYTHONPATH}
            subprocess.run([*program, "fill", str(n)], cwd=place, env=variables, check=True)
            server.settle(url)
            for _ in range(WORKERS):
                stack.enter_context(process(*program, "work", place=place))
            return {name: n / drained(place / "probe", n)}


def _cost(name: str) -> list[Figure]:
    return [
        Figure(f"{name} waits", "  of a worker's time, waiting for a lock", "%"),
        Figure(f"{name} server", "  server, CPU a job", "µs"),
        Figure(f"{name} own", "  worker processes, CPU a job", "µs"),
        Figure(f"{name} below", "  their executors, CPU a job", "µs"),
    ]


SCENARIO = Scenario(
    "postgres",
    f"no-op jobs a second, 4 workers with an executor of {CONCURRENCY} each, every commit on the disk, one server",
    [one_parent, pgqueuer, four_parents, procrastinate, logs, doorbell, gateways],
    [
        Figure("one parent", "children of one parent", commits="one parent commits"),
        *_cost("one parent"),
        Figure("four parents", "children of four parents", commits="four parents commits"),
        *_cost("four parents"),
        Figure("pgqueuer", f"pgqueuer, batches of 100, {WORKERS} processes"),
        Figure("procrastinate", f"procrastinate, {WORKERS} processes"),
        Figure("one parent", "one parent / pgqueuer", "x", 1.0, 1.5, over="pgqueuer"),
        Figure("one parent", "one parent / procrastinate", "x", over="procrastinate"),
        Figure("one parent", "one parent / four parents", "x", over="four parents"),
        Figure("lines", "log lines, 2 workers"),
        Figure("bell", "doorbell, a commit by itself to another process", "ms", 5, 2, low=True),
        Figure("bell p99", "  99th percentile", "ms", 30, 10, low=True),
        Figure("busy bell", "doorbell, commits without a pause (gathered for 50 ms)", "ms", 60, low=True),
        Figure("busy bell p99", "  99th percentile", "ms", 100, low=True),
        Figure("idle reads", f"store reads, {GATEWAYS} idle gateways"),
        Figure("watched reads", f"  {GATEWAYS} idle gateways with a viewer each"),
        Figure("watched server", "  server, CPU", "% of a core"),
    ],
)
