"""Many gateways on one PostgreSQL: how soon a commit is heard, and what it costs to listen when nothing happens."""

import asyncio
import statistics
import time
from contextlib import AsyncExitStack

from bench import filled, server
from bench.figures import Samples
from bench.lab import Lab, environ, folder, settings_of
from quaero.app import open_store_and_bell
from quaero.doorbell.postgres import PostgresDoorbell
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.gateway.application import running
from quaero.gateway.auth.place import Place
from quaero.gateway.state import Gateway
from quaero.storage.sqlstore import SqlStore

GATEWAYS = 20
QUIET_SECONDS = 0.12  # after which a ring is sent at once
SETTLE_SECONDS = 2.0


def doorbell(lab: Lab) -> Samples:
    """From a commit to the wake of another process's listener: of a commit by itself, and of one after the other."""
    return asyncio.run(_rings(lab.size(60, 20)))


async def _rings(n: int) -> Samples:
    with server.database() as url, environ(BENCH_STORE=url), folder() as place:
        ear = PostgresDoorbell(url)
        ear.listens(10)
        async with filled.opened(place) as store:
            await filled.announce(store)
            alone = []
            for _ in range(n):
                while await ear.wait(QUIET_SECONDS):  # what is still to come of the last
                    pass
                alone.append(await _heard(store, ear))
            busy = [await _heard(store, ear) for _ in range(n)]
        ear.close()
    return {
        "bell": statistics.median(alone),
        "bell p99": _almost_worst(alone),
        "busy bell": statistics.median(busy),
        "busy bell p99": _almost_worst(busy),
    }


async def _heard(store: SqlStore, ear: PostgresDoorbell) -> float:
    """Milliseconds from a commit until it is heard of."""
    await store.write(enqueue, [NewJob(filled.PARKED, filled.PAYLOAD)])
    committed = time.perf_counter()
    if not await ear.wait(5):
        raise TimeoutError("the bell was not heard")
    return 1e3 * (time.perf_counter() - committed)


def _almost_worst(samples: list[float]) -> float:
    return sorted(samples)[int(len(samples) * 0.99)]


def gateways(lab: Lab) -> Samples:
    """Gateways on a store in which nothing happens, unvisited and with a viewer of a tree each."""
    return asyncio.run(_idle(lab.size(5, 3)))


async def _idle(seconds: int) -> Samples:
    with server.database() as url, environ(BENCH_STORE=url), folder() as place:
        async with filled.opened(place) as store:
            root_id = await filled.parent(store, 1, filled.PARKED)
        async with AsyncExitStack() as stack:
            there = []
            for port in range(1, GATEWAYS + 1):
                settings = settings_of(place)
                store, bell = await stack.enter_async_context(open_store_and_bell(settings))
                there.append(Gateway(store, "bench", bell=bell, settings=settings))
                await stack.enter_async_context(running(there[-1], Place.of(settings, port)))
            onlooker = server.Onlooker(url)
            stack.callback(onlooker.close)
            unseen, _ = await _used(onlooker, seconds)
            for gateway in there:
                gateway.lookout.watch(root_id, lambda mark: None)
            watched, cpu = await _used(onlooker, seconds)
    return {"idle reads": unseen, "watched reads": watched, "watched server": 100 * cpu}


async def _used(onlooker: server.Onlooker, seconds: int) -> tuple[float, float]:
    """Transactions of others a second, and processor time."""
    await asyncio.sleep(SETTLE_SECONDS)
    before, cpu, began = onlooker.transactions(), onlooker.cpu(), time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    own = 2  # looks of ours
    return max(0, onlooker.transactions() - before - own) / took, (onlooker.cpu() - cpu) / took
