"""What a worker does to its executors by the clock alone: kill what is past its timeout or grace, retire the spare."""

from quaero.clock import Clock
from quaero.engine.worker.pool import Pool

EVERY_SECONDS = 0.05


async def watch(pool: Pool, clock: Clock) -> None:
    """Look after executors until cancelled."""
    while True:
        await clock.sleep(EVERY_SECONDS)
        pool.kill_overdue()
        pool.retire_extra()
        pool.feed()
