"""What a worker does to its executors by the clock alone: kill what is past its timeout or grace, retire the spare."""

import asyncio
from contextlib import suppress

from quaero.clock import Clock
from quaero.engine.worker.pool import Pool

EVERY_SECONDS = 0.05
IDLE_SECONDS = 1.0


async def watch(pool: Pool, clock: Clock) -> None:
    """Look after executors until cancelled."""
    while True:
        if not pool.is_busy:  # nothing to look after but spare executors
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await pool.stirred.wait()
        pool.stirred.clear()
        await clock.sleep(EVERY_SECONDS)
        pool.kill_overdue()
        pool.retire_extra()
        pool.feed()
