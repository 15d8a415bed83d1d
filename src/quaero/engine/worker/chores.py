"""What every worker does now and then for all: sweep lapsed leases, end overdue trees, purge, fire schedules."""

import asyncio

from quaero.clock import Clock
from quaero.domain.definitions import Definition, from_stored, next_fire
from quaero.engine.lifecycle import sweep, workers
from quaero.engine.lifecycle.definitions import fire
from quaero.engine.worker.catalogue import Catalogue
from quaero.failpoints import failpoint
from quaero.storage.port import Store

CLOSE_EVERY = 6  # sweeps between two looks for parents a bug left open
PURGE_BATCH = 5_000


class Chores:
    """Runs the sweep every `period` seconds until cancelled. Every script is safe to run from many workers."""

    def __init__(
        self, store: Store, clock: Clock, catalogue: Catalogue | None, jobs_retention: int, period: float
    ) -> None:
        self._store = store
        self._clock = clock
        self._catalogue = catalogue
        self._keep = jobs_retention
        self._period = max(0.2, min(period, 5.0))

    async def do(self) -> None:
        """Sweep, again and again."""
        turn = 0
        while True:
            failpoint("sweep.before")
            await self._store.write(workers.sweep_workers)
            await self._store.write(sweep.expire_trees)
            if self._catalogue is not None:
                await self._catalogue.refresh()
                await self._fire_schedules()
            if turn % CLOSE_EVERY == 0:
                await self._store.write(sweep.close_forgotten)
                await self._clean()
            failpoint("sweep.after")
            turn += 1
            await self._clock.sleep(self._period)

    async def _clean(self) -> None:
        await self._store.write(sweep.trim_small)
        if self._keep:
            await self._store.write(sweep.retire, self._keep)
        while await self._store.write(sweep.purge, PURGE_BATCH):
            await asyncio.sleep(0)

    async def _fire_schedules(self) -> None:
        due = await self._store.rows(
            "select body, next_at from definition where enabled = 1 and next_at > 0 and next_at <= ?",
            (self._clock.now(),),
        )
        for body, tick in due:
            definition: Definition = from_stored(body.encode())
            await self._store.write(fire, definition, tick, next_fire(definition.schedule, tick))
