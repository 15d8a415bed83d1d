"""A worker's clerk: runs the bulk actions that wait, one at a time, beside what executors do.

They need the store and nothing else, so no executor takes part; claimed, fenced, recorded and given back they are jobs
like any other. A clerk looks when something stirred, and its look is one seek in an index.
"""

import asyncio
import logging
from collections.abc import Callable

from quaero.clock import Clock
from quaero.domain.errors import StoreUnavailable
from quaero.domain.facts import Began, Ended, ErrorInfo, Fact, How
from quaero.domain.job import Job
from quaero.engine.lifecycle import bulk
from quaero.engine.lifecycle.bulk import Stand
from quaero.engine.lifecycle.record import record
from quaero.engine.lifecycle.reserve import reserve
from quaero.storage.port import Store, Want

log = logging.getLogger("quaero.worker")
STORE_RETRY_SECONDS = 1.0

_ENDS = {Stand.DONE: How.COMPLETED, Stand.CANCELLED: How.CANCELLED}


class Clerk:
    """Works until cancelled. `tree` gives the only tree this worker works on, if there is one: then it does nothing."""

    def __init__(self, store: Store, clock: Clock, tree: Callable[[], int | None]) -> None:
        self._store = store
        self._clock = clock
        self._tree = tree
        self._stirred = asyncio.Event()
        self._holds: Job | None = None
        self.worker_id = 0

    def stir(self) -> None:
        """Something moved: there may be work."""
        self._stirred.set()

    async def work(self) -> None:
        """Take one bulk after the other; a store that cannot be written now is tried again."""
        while True:
            try:
                while self._tree() is None and (job := self._holds or await self._take()) is not None:
                    self._holds = job
                    await self._run(job)
                    self._holds = None
            except StoreUnavailable as trouble:
                log.warning("a bulk action has to wait: %s", trouble)
                await self._clock.sleep(STORE_RETRY_SECONDS)
                continue
            await self._stirred.wait()
            self._stirred.clear()

    async def put_down(self) -> None:
        """Give back what is under way, uncounted: another worker goes on where it stopped."""
        if (job := self._holds) is not None:
            await self._tell(Ended(job.id, job.epoch, self._clock.now(), 0, How.REFUNDED))

    async def _take(self) -> Job | None:
        found = await self._store.rows(
            "select root_id from lane where n_ready > 0 and rests_on is null and priority = ? and kind = ? limit 1",
            (bulk.PRIORITY, bulk.KIND),
        )
        if not found:
            return None
        taken = await self._store.write(reserve, self.worker_id, [Want((bulk.KIND,), 1, found[0][0])])
        return taken[0] if taken else None

    async def _run(self, job: Job) -> None:
        await self._tell(Began(job.id, job.epoch, self._clock.now()))
        stand = Stand.MORE
        try:
            while stand is Stand.MORE:
                stand = await self._store.write(bulk.work, self.worker_id, job.id, job.epoch)
        except StoreUnavailable:
            raise
        except Exception as error:  # a bug of ours must not end the worker
            log.exception("bulk action %d failed", job.id)
            info = ErrorInfo(type(error).__name__, str(error))
            await self._tell(Ended(job.id, job.epoch, self._clock.now(), 0, How.FAILED, error=info))
            return
        if stand is not Stand.LOST:
            result = await self._result(job) if stand is Stand.DONE else None
            await self._tell(Ended(job.id, job.epoch, self._clock.now(), 0, _ENDS[stand], result))

    async def _result(self, job: Job) -> bytes | None:
        now = await self._store.job(job.id)
        return now.result if now is not None else None

    async def _tell(self, fact: Fact) -> None:
        await self._store.write(record, self.worker_id, [fact], {})
