"""The first minute of `quaero up --demo`: a news site in a process of its own, and one crawl of it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from quaero.app import open_store
from quaero.demo import definition
from quaero.domain.definitions import parse
from quaero.engine.lifecycle.definitions import run_definition
from quaero.settings import Settings

LOOPBACK = ["127.0.0.0/8", "::1/128"]


@asynccontextmanager
async def site() -> AsyncIterator[str]:
    """The address of the demo's news site, while it is served."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "quaero.demo.site",
        "--with-stdin",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def crawl(settings: Settings, url: str) -> int:
    """Run the News Crawler over the site; the id of its root."""
    async with open_store(settings) as store:
        return await store.write(run_definition, parse(definition(url), "demo"))
