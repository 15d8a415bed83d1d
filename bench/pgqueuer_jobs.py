"""pgqueuer's side: `fill N` and `work`, a no-op in batches of 100."""

import asyncio
import os
import sys

import asyncpg  # type: ignore[import-untyped,import-not-found,unused-ignore]
from pgqueuer import AsyncpgDriver, PgQueuer, Queries  # type: ignore[import-untyped,import-not-found,unused-ignore]

from bench import probe

BATCH = 1_000


async def _driver() -> AsyncpgDriver:
    return AsyncpgDriver(await asyncpg.connect(os.environ["BENCH_STORE"]))


async def fill(n: int) -> None:
    queries = Queries(await _driver())
    await queries.install()
    for start in range(0, n, BATCH):
        k = min(BATCH, n - start)
        await queries.enqueue(["noop"] * k, [None] * k, [0] * k)


async def work() -> None:
    queuer = PgQueuer(await _driver())

    @queuer.entrypoint("noop")
    async def noop(job: object) -> None:
        probe.hit()

    await queuer.run(batch_size=100)


def main() -> None:
    """Do what the arguments say."""
    asyncio.run(fill(int(sys.argv[2])) if sys.argv[1] == "fill" else work())
