"""The parent's side of the parser process: one per event loop, started for the first page, renewed now and then.

`parse` never raises for what a page does to the parser: a page that ends the process yields what was learnt before.
"""

import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from quaero.kinds.crawler.detached import detached
from quaero.kinds.crawler.html import PageFacts
from quaero.kinds.crawler.parserchild import LENGTH, PARSE_SECONDS, Page, PageText

PAGES_PER_PROCESS = 1_000  # extraction libraries have been seen to grow
PATIENCE_SECONDS = 6 * PARSE_SECONDS  # wall clock, for a machine that gives the parser little time
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV")  # nothing secret: hostile pages are read there
_COMMAND = (sys.executable, "-P", "-m", "quaero.kinds.crawler.parserchild")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A page's facts and text. `trouble` says what is missing and why."""

    facts: PageFacts = field(default_factory=PageFacts)
    text: str = ""
    trouble: str | None = None


class ParserProcess:
    """Parses pages one after the other in a process that may die of them."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._served = 0

    async def parse(self, page: Page) -> Parsed:
        """What the page says. A caller that is cancelled does not disturb the frames of the next."""
        return await asyncio.shield(detached(self._take_turn(page)))

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _take_turn(self, page: Page) -> Parsed:
        async with self._turn:
            if self._served >= PAGES_PER_PROCESS:
                await self.close()
            process = await self._running()
            self._served += 1
            parsed = await _exchange(process, page)
            if parsed.trouble:
                await self.close()
            return parsed

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *_COMMAND,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
                | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            self._served = 0
        return self._process


async def _exchange(process: asyncio.subprocess.Process, page: Page) -> Parsed:
    assert process.stdin is not None
    assert process.stdout is not None
    facts: PageFacts | None = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            body = msgspec.msgpack.encode(page)
            process.stdin.write(LENGTH.pack(len(body)) + body)
            await process.stdin.drain()
            facts = msgspec.msgpack.decode(await _frame(process.stdout), type=PageFacts)
            text = msgspec.msgpack.decode(await _frame(process.stdout), type=PageText)
    except (asyncio.IncompleteReadError, OSError, TimeoutError):
        missing = "its text" if facts else "it"
        return Parsed(facts or PageFacts(), trouble=f"the parser gave up on {missing}: too costly")
    return Parsed(facts, text.text)


async def _frame(stream: asyncio.StreamReader) -> bytes:
    (length,) = LENGTH.unpack(await stream.readexactly(LENGTH.size))
    return await stream.readexactly(length)
