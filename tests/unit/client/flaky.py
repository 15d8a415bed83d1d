"""A line that breaks: a TCP relay that cuts every connection after a random number of bytes, anywhere in a frame.

It tells the server its own name: one that answers to no other is behind it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random


class Flaky:
    """Relays to a port of this machine. `cuts` counts the connections it broke; it stops breaking after `most`."""

    def __init__(self, port: int, rng: Random, *, longest: int, most: int) -> None:
        self.port = port
        self.cuts = 0
        self.relays: set[asyncio.Task[None]] = set()
        self._rng = rng
        self._longest = longest
        self._most = most

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it or it is cut."""
        task = asyncio.current_task()
        assert task is not None
        self.relays.add(task)
        task.add_done_callback(self.relays.discard)
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        name = b"127.0.0.1:%d" % writer.get_extra_info("sockname")[1]
        ways = [
            asyncio.create_task(_pour(reader, back, name, b"127.0.0.1:%d" % self.port)),
            asyncio.create_task(self._pour_back(there, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            for end in (writer, back):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()

    async def _pour_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = self._rng.randrange(1, self._longest) if self.cuts < self._most else 1 << 40
        with suppress(OSError):
            while left > 0 and (data := await reader.read(min(left, 65_536))):
                writer.write(data)
                left -= len(data)
            await writer.drain()
        self.cuts += left <= 0


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ours: bytes, theirs: bytes) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data.replace(ours, theirs))


@asynccontextmanager
async def flaky(port: int, rng: Random, *, longest: int = 6_000, most: int = 1_000) -> AsyncIterator[tuple[str, Flaky]]:
    """The address of a line to a port that breaks."""
    line = Flaky(port, rng, longest=longest, most=most)
    server = await asyncio.start_server(line.relay, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", line
    finally:
        server.close()
        while relays := list(line.relays):
            for relay in relays:
                relay.cancel()
            await asyncio.wait(relays)
