"""Stores filled before a measurement begins: parents with children, one-job trees, nobody at work on them yet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.lab import settings_of
from quaero.app import open_store_and_bell
from quaero.domain.facts import Child
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.storage.sqlstore import SqlStore
from quaero.testing.drive import Hand

PARKED = "parked"  # a kind nobody runs
KINDS = ("noop", "fan", "talk", "stamp", PARKED)
BATCH = 1_000
PAYLOAD = b"{}"


@asynccontextmanager
async def opened(place: Path) -> AsyncIterator[SqlStore]:
    """The store of a folder; its commits ring."""
    async with open_store_and_bell(settings_of(place)) as (store, _):
        yield store


async def parent(store: SqlStore, n: int, kind: str = "noop", payload: bytes = PAYLOAD) -> int:
    """A parent that has ended and waits for `n` children, all ready; its id."""
    hand = await Hand.start(store, KINDS)
    [root] = await store.write(enqueue, [NewJob("fan", PAYLOAD)])
    [job] = await hand.take(root_id=root.id)
    await hand.begin(job)
    for start in range(0, n, BATCH):
        await hand.spawn(job, [Child(kind, payload) for _ in range(min(BATCH, n - start))])
        if start % 100_000 == 0:
            await hand.renew()
    await hand.end(job)
    await hand.leave()
    return root.id


async def singles(store: SqlStore, n: int, kind: str = "noop") -> None:
    """`n` trees of one job each, all ready."""
    await announce(store)
    for start in range(0, n, BATCH):
        await store.write(enqueue, [NewJob(kind, PAYLOAD) for _ in range(min(BATCH, n - start))])


async def announce(store: SqlStore) -> None:
    """Make the kinds known, so that jobs of them are accepted."""
    hand = await Hand.start(store, KINDS)
    await hand.leave()


async def completed(store: SqlStore, n: int, patience: float = 600) -> None:
    """Wait until `n` jobs have completed in all."""
    async with asyncio.timeout(patience):
        while True:
            [[done]] = await store.rows("select coalesce(sum(completed), 0) from counter")
            if done >= n:
                return
            await asyncio.sleep(0.02)


async def seconds_of(store: SqlStore, kind: str) -> float:
    """From the first start of a kind to the last commit in its trees: handlers date ends, commits date journals."""
    [[first]] = await store.rows("select min(started_at) from job where kind = ?", (kind,))
    [[last]] = await store.rows(
        "select max(t1) from run where root_id in (select root_id from job where kind = ?)", (kind,)
    )
    return float(last - first) / 1e6
