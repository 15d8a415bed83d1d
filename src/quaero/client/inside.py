"""To the routes in this process, over an open store: what a client uses where no server runs.

The same application a server serves is called as ASGI calls it, so there is no second way to do anything.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any
from urllib.parse import unquote

from quaero.app import open_gateway
from quaero.client.transport import Reply, Stream
from quaero.gateway.channel import CHANNEL
from quaero.settings import Settings

HOST = b"localhost:0"
AHEAD = 64  # chunks of a stream that may wait to be read
# what goes wrong is in the answers; said once more on standard error it would be in the way of whoever called
logging.getLogger("quaero.gateway").addHandler(logging.NullHandler())


class InsideTransport:
    """Implements `transport.Transport`. Use `InsideTransport.open`."""

    def __init__(self, app: Any, stack: AsyncExitStack) -> None:
        self._app = app
        self._stack = stack

    @classmethod
    async def open(cls, settings: Settings) -> "InsideTransport":
        """Open the store, made if it is new. Raises StoreUnavailable and its kin."""
        stack = AsyncExitStack()
        app = await stack.enter_async_context(open_gateway(settings))
        return cls(app, stack)

    async def ask(
        self, method: str, address: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Put one question."""
        call = _Call(_scope(method, address, body, headers), body or b"")
        await self._app(call.scope, call.receive, call.send)
        call.chunks.put_nowait(None)
        found = [chunk async for chunk in call.read()]
        return Reply(call.status, call.headers, b"".join(found))

    @asynccontextmanager
    async def stream(self, address: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Stream]:
        """Open a stream."""
        call = _Call(_scope("GET", address, None, headers), b"", waits=True)
        answering = asyncio.create_task(self._answer(call))
        begun = asyncio.create_task(call.begun.wait())
        try:
            await asyncio.wait({answering, begun}, return_when=asyncio.FIRST_COMPLETED)
            yield Stream(call.status, call.headers, call.read())
        finally:
            call.gone.set()
            for task in (begun, answering):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _answer(self, call: "_Call") -> None:
        try:
            await self._app(call.scope, call.receive, call.send)
        finally:
            call.chunks.put_nowait(None)

    async def close(self) -> None:
        """Close the store."""
        await self._stack.aclose()


class _Call:
    """One call of the application: what it may receive, what it sent; also the way out of a stream (`Channel`)."""

    def __init__(self, scope: dict[str, Any], body: bytes, *, waits: bool = False) -> None:
        scope["extensions"] = {CHANNEL: lambda: self}
        self.scope = scope
        self.status = 500
        self.headers: dict[str, str] = {}
        self.chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.begun = asyncio.Event()
        self.gone = asyncio.Event()
        self.on_lost: Callable[[], None] | None = None
        self._waits = waits  # for a reader, who takes a long answer as it comes
        self._body: bytes | None = body
        self._room = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        """The body, then nothing until the reader leaves."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Take what the application says."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
            self.begun.set()
            return
        if message.get("body"):
            if self._waits:
                await self.drain()
            self.chunks.put_nowait(message["body"])
        if not message.get("more_body"):
            self.chunks.put_nowait(None)

    @property
    def is_full(self) -> bool:
        """Whether the reader takes less than it is sent."""
        return self.chunks.qsize() >= AHEAD

    def write(self, chunk: bytes) -> None:
        """Take a chunk as it would go over a connection: its length, itself, a line's end."""
        self.chunks.put_nowait(chunk[chunk.index(b"\r\n") + 2 : -2])
        self._room.clear()

    async def drain(self) -> None:
        """Wait for room."""
        while self.is_full:
            await self._room.wait()
            self._room.clear()

    @property
    def is_lost(self) -> bool:
        """Whether the reader has left."""
        return self.gone.is_set()

    def abort(self) -> None:
        """Nobody reads any more."""
        self.chunks.put_nowait(None)

    async def read(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        while (chunk := await self.chunks.get()) is not None:
            self._room.set()
            yield chunk


def _scope(method: str, address: str, body: bytes | None, headers: Mapping[str, str] | None) -> dict[str, Any]:
    path, _, query = address.partition("?")
    given = [(b"host", HOST), *((n.encode(), v.encode("latin-1")) for n, v in (headers or {}).items())]
    if body is not None:
        given += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "query_string": query.encode(),
        "headers": given,
        "client": ("127.0.0.1", 0),
        "scheme": "http",
    }
