"""What it costs to look at very much: the map of a million children, lists of a hundred thousand roots."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from bench import filled
from bench.figures import Figure, Samples, Scenario
from bench.lab import Lab, folder
from quaero.domain.status import JobStatus
from quaero.gateway.mapformat import binary, head_of
from quaero.storage.port import JobFilter
from quaero.storage.sqlstore import SqlStore

TIMES = 5
NOTHING = "no such words"


def maps(lab: Lab) -> Samples:
    """The children of one parent."""
    return asyncio.run(_maps(lab.size(1_000_000, 100_000)))


def roots(lab: Lab) -> Samples:
    """Roots, filtered."""
    return asyncio.run(_roots(lab.size(100_000, 20_000)))


async def _maps(n: int) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            root_id = await filled.parent(store, n)
            return {
                "map": await _median(lambda: _map(store, root_id)),
                "longest": await _median(lambda: store.longest(JobFilter(parent_id=root_id), limit=50)),
                "quietest": await _median(lambda: store.quietest(root_id, limit=50)),
            }


async def _map(store: SqlStore, root_id: int) -> None:
    """As it leaves for a page: read and encoded."""
    found = await store.child_map(root_id, "status")
    assert found is not None
    assert len(binary(found, head_of(found, "status", ""))) > len(found.codes)


async def _roots(n: int) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            await filled.singles(store, n)
            asked = {
                "first page": JobFilter(roots=True),
                "no hit": JobFilter(roots=True, q=NOTHING),
                "by status": JobFilter(roots=True, statuses=(JobStatus.FAILED,)),
            }
            return {name: await _median(partial(store.jobs, where)) for name, where in asked.items()}


async def _median(ask: Callable[[], Awaitable[Any]]) -> float:
    """Milliseconds."""
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken)


SCENARIO = Scenario(
    "lists",
    "looking at 10^6 children and 10^5 roots (--quick: 10^5 and 2 * 10^4)",
    [maps, roots],
    [
        Figure("map", "map of all children, read and encoded", "ms", 1_000, low=True),
        Figure("longest", "the 50 children that took longest", "ms", low=True),
        Figure("quietest", "the 50 longest silent", "ms", low=True),
        Figure("first page", "first page of roots, with its count", "ms", 100, low=True),
        Figure("no hit", "roots with words that none has", "ms", 500, low=True),
        Figure("by status", "roots of a status that none has", "ms", 500, low=True),
    ],
    rounds=3,
)
