"""How fast work that is there gets done, beside Celery and Huey on the same machine in the same minutes."""

import asyncio

from bench import filled, peers
from bench.figures import Figure, Samples, Scenario
from bench.hosted import Meter, hosted
from bench.lab import Lab, folder

SLOW_MS = 2.0


async def _drain(name: str, n: int, one_parent: bool, fsync_ms: float) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            await (filled.parent(store, n) if one_parent else filled.singles(store, n))
        with hosted("worker", place, fsync_ms=fsync_ms) as host:
            meter = Meter(host)
            async with filled.opened(place) as store:
                await filled.completed(store, n + one_parent)
                return meter.samples(name, n, await filled.seconds_of(store, "noop"))


def children(lab: Lab) -> Samples:
    """Children of one parent."""
    return asyncio.run(_drain("children", lab.size(200_000, 40_000), True, 0))


def trees(lab: Lab) -> Samples:
    """One-job trees."""
    return asyncio.run(_drain("trees", lab.size(100_000, 20_000), False, 0))


def children_slow(lab: Lab) -> Samples:
    """Children of one parent, on a slow disk."""
    return asyncio.run(_drain("children slow", lab.size(100_000, 20_000), True, SLOW_MS))


def trees_slow(lab: Lab) -> Samples:
    """One-job trees, on a slow disk."""
    return asyncio.run(_drain("trees slow", lab.size(50_000, 10_000), False, SLOW_MS))


def _rate(key: str, what: str, bar: float | None = None, aim: float | None = None) -> list[Figure]:
    return [
        Figure(key, what, bar=bar, aim=aim, commits=f"{key} commits"),
        Figure(f"{key} own", "  worker process, CPU a job", "µs"),
        Figure(f"{key} below", "  its 2 executors, CPU a job", "µs"),
    ]


SCENARIO = Scenario(
    "drain",
    "no-op jobs a second, 2 executors, every commit on the disk, journal, fence, tallies and log capture on",
    [children, peers.celery_drain, trees, peers.huey_drain, children_slow, trees_slow],
    [
        *_rate("children", "children of one parent", 30_000, 60_000),
        *_rate("trees", "one-job trees", 15_000, 40_000),
        *_rate("children slow", "children, fsync takes 2 ms"),
        *_rate("trees slow", "one-job trees, fsync takes 2 ms"),
        Figure("celery drain", "Celery, Redis, prefork -c 2"),
        Figure("huey drain", "Huey, SQLite with fsync, 2 processes"),
        Figure("children", "children / Celery", "x", 10, over="celery drain"),
        Figure("trees", "one-job trees / Celery", "x", 10, over="celery drain"),
        Figure("children", "children / Huey", "x", aim=1, over="huey drain"),
        Figure("trees", "one-job trees / Huey", "x", aim=1, over="huey drain"),
    ],
)
