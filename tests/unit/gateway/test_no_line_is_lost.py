"""No viewer misses or doubles a line, whatever is read late, fails, is cut off or asked for anew, through any filter.

A history is one tree that grows at random while viewers of all sorts come, go and come back, in virtual time; what each
of them got is compared with what the store has and the test's own idea of who belongs to which filter.
`QUAERO_DEEP=n` plays n times as many histories; one that fails names its seed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from tests.unit.gateway.growing import Growth
from tests.unit.gateway.lookers import Ground, Looker, a_looker
from tests.unit.gateway.virtual import Bell, Chance, LateStore, LoopClock, pass_time, run_virtually

from quaero.domain.entries import Entry
from quaero.gateway import feed, following, kin, parts, selection, tail, view
from quaero.gateway.state import Gateway
from quaero.testing.bench import Bench
from quaero.testing.clock import FakeClock

DEEP = int(os.environ.get("QUAERO_DEEP", "1"))
HISTORIES = 12
STEPS = 30
LOOKERS = 8
SECONDS = 120.0  # of virtual time in which every view must have become equal to the store

# bounds of memory and of reads, so small that every way round them is gone
KNOBS: dict[tuple[object, str], tuple[float, ...]] = {
    (tail, "READ_AT_ONCE"): (3, 20, 5_000),
    (tail, "LINGER"): (0.2, 5.0),
    (view, "HOT_BYTES"): (700, 5_000, 4 << 20),
    (view, "REACH"): (0, 6, 10_000),
    (kin, "MOST"): (2, 10, 500_000),
    (selection, "BATCH"): (1, 4, 500),
    (parts, "MAX_ENTRIES"): (2, 500),
    (following, "BEHIND_AT_FIRST"): (2, 250),
    (following, "AFTER_END"): (0.5, 60.0),
    (feed, "TICK"): (0.1, 1.0),
}


@pytest.mark.parametrize("some", range(DEEP))
def test_every_viewer_gets_what_the_store_has(tmp_path: Path, some: int) -> None:
    for seed in range(some * HISTORIES, (some + 1) * HISTORIES):
        run_virtually(play(tmp_path / str(seed), seed))


async def play(place: Path, seed: int) -> None:
    chance = Chance(seed)
    place.mkdir()
    async with AsyncExitStack() as stack:
        for (module, name), values in KNOBS.items():
            stack.enter_context(patch.object(module, name, chance.rng.choice(values)))
        bell = Bell()
        store = await stack.enter_async_context(late_store(place))
        bench = await Bench.set_up(store, FakeClock(), lease=10**15)
        growth = await Growth.begin(bench, store, chance.rng)
        gateway = await stack.enter_async_context(running(Gateway(store, "1", clock=LoopClock(), bell=bell)))
        store.chance = chance
        ground = Ground(gateway, store, growth, chance)
        lookers: list[Looker] = []
        try:
            for _ in range(STEPS):
                await growth.step()
                if chance.rng.random() < 0.6:
                    bell.ring()
                if len(lookers) < LOOKERS and chance.rng.random() < 0.5:
                    lookers.append(a_looker(ground))
                await chance.pause()
            if chance.rng.random() < 0.5:
                await growth.finish()
            chance.failing = 0.0
            await all_have(lookers, await bench.entries(growth.root_id), seed)
        finally:
            for looker in lookers:
                await looker.stop()


@asynccontextmanager
async def late_store(place: Path) -> AsyncIterator[LateStore]:
    async with LateStore.open(f"sqlite:///{place}/quaero.db", clock=FakeClock()) as store:
        assert isinstance(store, LateStore)
        yield store
        if late := asyncio.all_tasks() - {asyncio.current_task()}:  # what nobody waits for may still want to read
            for task in late:
                task.cancel()
            await asyncio.wait(late)


@asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[Gateway]:
    task = asyncio.create_task(gateway.feed.run())
    yield gateway
    task.cancel()
    await asyncio.wait({task})


async def all_have(lookers: list[Looker], entries: list[Entry], seed: int) -> None:
    """Wait until everybody has everything, then see that it is just that."""
    due = {looker: [entry.seq for entry in entries if looker.is_due(entry)] for looker in lookers}
    time = asyncio.get_running_loop().time
    end = time() + SECONDS
    while time() < end and not all(looker.has(seqs) for looker, seqs in due.items()):
        await pass_time(1.0)
    await pass_time(2.0)  # for what comes twice
    for looker, seqs in due.items():
        try:
            looker.check(seqs)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
