"""procrastinate's side: `fill N` and `work`, a no-op, ten at a time."""

import asyncio
import os
import sys

import procrastinate  # type: ignore[import-untyped,import-not-found,unused-ignore]

from bench import probe

BATCH = 1_000
app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=os.environ["BENCH_STORE"], min_size=1, max_size=4)
)


@app.task(name="noop")  # type: ignore[untyped-decorator,unused-ignore]
async def noop() -> None:
    probe.hit()


async def fill(n: int) -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for start in range(0, n, BATCH):
            await noop.batch_defer_async(*[{} for _ in range(min(BATCH, n - start))])


def main() -> None:
    """Do what the arguments say."""
    if sys.argv[1] == "fill":
        asyncio.run(fill(int(sys.argv[2])))
    else:
        app.run_worker(concurrency=10, wait=True)
