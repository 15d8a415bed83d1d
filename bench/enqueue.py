"""How fast work is accepted, each answer after its commit: one job at a time, over HTTP, in bulk."""

import asyncio
import time
from collections.abc import Collection

import msgspec

from bench import filled, http, peers
from bench.figures import Figure, Samples, Scenario
from bench.hosted import Meter, hosted
from bench.lab import Lab, folder, settings_of
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.storage.sqlstore import SqlStore

CONNECTIONS = 32
ONE = msgspec.json.encode({"kind": filled.PARKED, "payload": {"url": "https://example.org/", "n": 1}})
BULK = 1_000


def one_by_one(lab: Lab) -> Samples:
    """One caller, the next job after the answer to the last."""
    return asyncio.run(_one_by_one(lab.size(5_000, 1_000), 1, "store"))


def together(lab: Lab) -> Samples:
    """32 callers at once."""
    return asyncio.run(_one_by_one(lab.size(20_000, 5_000), CONNECTIONS, "store together"))


async def _one_by_one(n: int, callers: int, name: str) -> Samples:
    with folder() as place:
        commits = 0

        def committed(trees: Collection[int], work: bool) -> None:
            nonlocal commits
            commits += 1

        async with SqlStore.open(settings_of(place).store.url, on_commit=committed) as store:
            await filled.announce(store)
            commits = 0
            began, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*(_call(store, n // callers) for _ in range(callers)))
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            n = n // callers * callers
            return {name: n / seconds, f"{name} own": cpu / n * 1e6, f"{name} commits": commits / seconds}


async def _call(store: SqlStore, n: int) -> None:
    for _ in range(n):
        await store.write(enqueue, [NewJob(filled.PARKED, b'{"n":1}')])


def rest(lab: Lab) -> Samples:
    """One job a request, 32 connections."""
    return asyncio.run(_rest("rest", ONE, lab.size(20_000, 4_000), 1, CONNECTIONS))


def bulk(lab: Lab) -> Samples:
    """A thousand jobs a request, two connections."""
    body = b"[" + b",".join([ONE] * BULK) + b"]"
    return asyncio.run(_rest("bulk", body, lab.size(200, 40), BULK, 2))


async def _rest(name: str, body: bytes, requests: int, jobs: int, connections: int) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            await filled.announce(store)
        with hosted("gateway", place) as host:
            await asyncio.to_thread(http.post, host.port, body, connections, connections)  # warm
            meter = Meter(host)
            await asyncio.to_thread(http.post, host.port, body, requests, connections)
            return meter.samples(name, requests * jobs)


def celery(lab: Lab) -> Samples:
    """Celery's `delay`, one caller."""
    return {key: value for key, value in peers.celery_drain(lab).items() if "enqueue" in key}


def huey(lab: Lab) -> Samples:
    """Huey's call, one caller."""
    return {key: value for key, value in peers.huey_drain(lab).items() if "enqueue" in key}


SCENARIO = Scenario(
    "enqueue",
    "jobs accepted a second, each answered after its commit",
    [one_by_one, celery, together, huey, rest, bulk],
    [
        Figure("store", "one by one, Python, 1 caller", commits="store commits"),
        Figure("store own", "  CPU a job", "µs"),
        Figure("store together", "one by one, Python, 32 callers", commits="store together commits"),
        Figure("store together own", "  CPU a job", "µs"),
        Figure("rest", "one by one, REST, 32 connections", bar=2_000, aim=5_000, commits="rest commits"),
        Figure("rest own", "  gateway, CPU a job", "µs"),
        Figure("bulk", "REST, 1,000 in a request", bar=30_000, aim=60_000, commits="bulk commits"),
        Figure("bulk own", "  gateway, CPU a job", "µs"),
        Figure("celery enqueue", "Celery, one by one, 1 caller"),
        Figure("huey enqueue", "Huey on SQLite with fsync, one by one, 1 caller"),
        Figure("rest", "REST one by one / Celery", "x", over="celery enqueue"),
        Figure("store", "Python one by one / Huey", "x", over="huey enqueue"),
    ],
)
