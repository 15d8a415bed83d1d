"""Keeping a worker's lease: renewed by the worker process itself, never by a job's thread.

If it cannot be renewed in time (the store is out of reach, this machine was stopped), the executors are ended before
the lease does, by this machine's monotonic clock: what another worker may take over is not running here any more.
"""

import asyncio
import time
from collections.abc import Callable

from quaero.engine.lifecycle import workers
from quaero.engine.worker.config import WorkerConfig
from quaero.failpoints import failpoint
from quaero.storage.port import Store


class Lease:
    """Renews one worker's lease until cancelled; calls `lose` once when it is gone. Times in seconds.

    `renewed` is told until when the lease runs (monotonic).
    """

    def __init__(
        self,
        store: Store,
        worker_id: int,
        config: WorkerConfig,
        lose: Callable[[str], None],
        renewed: Callable[[float], None],
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._length = config.lease
        self._heartbeat = config.heartbeat
        self._lose = lose
        self._renewed = renewed
        self._margin = max(config.lease * 0.25, 0.5)

    async def keep(self) -> None:
        """Renew every heartbeat; give up in time."""
        ends = time.monotonic() + self._length
        self._renewed(ends)
        while True:
            await asyncio.sleep(self._heartbeat)
            failpoint("heartbeat.before")
            asked = time.monotonic()
            try:
                async with asyncio.timeout(max(0.0, ends - self._margin - asked)):
                    renewed = await self._store.write(workers.renew, self._worker_id, round(self._length * 1e6))
            except Exception as error:
                if time.monotonic() >= ends - self._margin:
                    self._lose(f"the lease could not be renewed in time: {error or type(error).__name__}")
                    return
                continue
            if not renewed:
                self._lose("the lease had ended and other workers have its jobs")
                return
            ends = asked + self._length
            self._renewed(ends)
