"""What every worker does now and then for all: sweep lapsed leases, make ready what is due, end overdue trees, purge,
fire schedules."""

import asyncio
import logging

from quaero.clock import Clock
from quaero.domain.definitions import next_fire
from quaero.domain.errors import StoreUnavailable
from quaero.engine.lifecycle import removal, sweep, workers
from quaero.engine.lifecycle.catalogue import readable, set_aside
from quaero.engine.lifecycle.definitions import fire
from quaero.engine.lifecycle.reserve import promote
from quaero.engine.worker.catalogue import Catalogue
from quaero.failpoints import failpoint
from quaero.storage.port import Store

log = logging.getLogger("quaero.chores")
DUE_AT_ONCE = 1_000
CLOSE_EVERY = 6  # sweeps between two looks for parents a bug left open


class Chores:
    """Runs the sweep every `period` seconds until cancelled, once `begin` is set: then kinds are known.

    Every script is safe to run from many workers.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        catalogue: Catalogue | None,
        jobs_retention: int,
        logs_retention: int,
        period: float,
        begin: asyncio.Event,
    ) -> None:
        self._store = store
        self._clock = clock
        self._catalogue = catalogue
        self._keep = jobs_retention
        self._keep_logs = logs_retention
        self._period = max(0.2, min(period, 5.0))
        self._begin = begin

    async def do(self) -> None:
        """Sweep, again and again; a store that cannot be written now is tried again at the next turn."""
        turn = 0
        await self._begin.wait()
        while True:
            try:
                await self._sweep(turn)
            except StoreUnavailable as trouble:
                log.warning("the sweep has to wait: %s", trouble)
            turn += 1
            await self._clock.sleep(self._period)

    async def _sweep(self, turn: int) -> None:
        failpoint("sweep.before")
        for lost, jobs in await self._store.write(workers.sweep_workers):
            log.warning("worker %d (process %d on %s) was lost: %d jobs returned", lost.id, lost.pid, lost.host, jobs)
        while await self._store.write(promote, DUE_AT_ONCE) == DUE_AT_ONCE:  # where all is taken, nobody claims
            pass
        if expired := await self._store.write(sweep.expire_trees):
            log.warning("%d trees were past their timeout", expired)
        if self._catalogue is not None:
            await self._catalogue.refresh()
            await self._fire_schedules()
        if turn % CLOSE_EVERY == 0:
            for job_id in await self._store.write(sweep.close_forgotten):
                log.error("job %s was done and still open: closed by the sweep", job_id)
            await self._clean()
        failpoint("sweep.after")

    async def _clean(self) -> None:
        await self._store.write(sweep.trim_small)
        is_more = bool(self._keep)
        while is_more:
            if retired := await self._store.write(removal.retire, self._keep):
                log.info("%d trees are past their retention and go", retired)
            is_more = bool(retired)
            await self._purge()
        await self._purge()
        is_more = True
        while is_more:
            is_more = await self._store.tidy(self._keep_logs)

    async def _purge(self) -> None:
        is_more = True
        while is_more:
            is_more = bool(await self._store.write(removal.purge))

    async def _fire_schedules(self) -> None:
        """Run what is due, once for all the ticks that nobody was there to see."""
        now = self._clock.now()
        due = await self._store.rows(
            "select id, body, next_at from definition"
            " where enabled = 1 and problem is null and next_at > 0 and next_at <= ?",
            (now,),
        )
        for definition_id, body, tick in due:
            definition = readable(body)
            if definition is None:
                log.error("definition %s cannot be read by this version: it is not run by its schedule", definition_id)
                await self._store.write(set_aside, definition_id)
                continue
            root_id = await self._store.write(fire, definition, tick, next_fire(definition.schedule, now))
            if root_id is not None:
                log.info("definition %s was due by its schedule: job %d", definition.id, root_id)
