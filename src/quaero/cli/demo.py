"""The first minute of `quaero up --demo`: a news site in a process of its own, a crawl of it, and what to run next."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from quaero.app import open_store
from quaero.demo import SURVEY, definition
from quaero.domain.definitions import parse
from quaero.domain.errors import Conflict
from quaero.engine.lifecycle.catalogue import replace_definition
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
    """Keep the demo's definitions, and run the News Crawler over the site; the id of its root."""
    crawler = parse(definition(url), "demo")
    async with open_store(settings) as store:
        for one in (crawler, parse(SURVEY, "demo")):
            with suppress(Conflict):  # a file of the definitions directory has that id: it stays
                await store.write(replace_definition, one)
        return await store.write(run_definition, crawler)
