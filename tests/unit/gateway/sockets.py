"""A gateway served over a real socket, and a public WebSocket client that keeps what it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from quaero.gateway.server import bind, serve
from quaero.gateway.state import Gateway

PATIENCE = 20.0
Message = dict[str, Any]


@asynccontextmanager
async def served(gateway: Gateway) -> AsyncIterator[int]:
    """Serve on a free port until the end of the block; the port."""
    stop, ready = asyncio.Event(), asyncio.Event()
    listener = bind("127.0.0.1", 0)
    port = int(listener.getsockname()[1])
    serving = asyncio.create_task(serve(gateway, listener, stop=stop, on_ready=ready.set))
    await ready.wait()
    try:
        yield port
    finally:
        stop.set()
        await serving


class Client:
    """A client that reads everything, and shows rows as a page would: the newest version of each."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.messages: list[Message] = []
        self.rows: dict[Any, dict[str, Message]] = {}
        self.close_code: int | None = None
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                message = json.loads(text)
                self.messages.append(message)
                if message["type"] == "snapshot":
                    self._show(message["payload"])
                self._news.set()
        except ConnectionClosed:
            pass
        self.close_code = self.socket.close_code
        self._news.set()

    def _show(self, payload: Message) -> None:
        shown = self.rows.setdefault(payload["id"], {})
        if payload["full"]:
            shown.clear()
        for row in payload.get("rows", ()):
            if row["id"] not in shown or row["version"] >= shown[row["id"]]["version"]:
                shown[row["id"]] = row
        for job_id in payload.get("gone", ()):
            shown.pop(job_id, None)

    async def say(self, kind: str, **payload: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, "payload": payload}))

    def of(self, *kinds: str) -> list[Message]:
        """The payloads of these types so far."""
        return [message["payload"] for message in self.messages if message["type"] in kinds]

    async def until(self, found: Callable[[], Any]) -> Any:
        """Wait until something is there."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not (value := found()):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"it never came; the last messages were {self.messages[-10:]}") from None
        return value

    async def news(self) -> None:
        """Wait until something comes."""
        self._news.clear()
        await self._news.wait()

    async def first(self, kind: str, **like: Any) -> Message:
        """The first message of a type with these fields."""

        def found() -> Message | None:
            return next((p for p in self.of(kind) if all(p.get(name) == value for name, value in like.items())), None)

        message: Message = await self.until(found)
        return message

    async def closed(self) -> int | None:
        """Wait for the end of the connection; its code."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({self._reading})
        return self.close_code

    async def close(self) -> None:
        await self.socket.close()
        await asyncio.wait({self._reading})


@asynccontextmanager
async def client_of(port: int, **options: Any) -> AsyncIterator[Client]:
    """A connected client."""
    async with connect(f"ws://127.0.0.1:{port}/ws", compression=None, **options) as socket:
        client = Client(socket)
        try:
            yield client
        finally:
            await client.close()
