"""The founding problem, rebuilt: a worker that tells each client of each event itself, as it happens.

It is our worker in all else, so what it loses beside ours is what pushing costs. Clients connect to a port of the
worker's own and get every event as a server-sent event.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec

from quaero.domain.facts import Began, Ended, Fact, Lines
from quaero.storage.sqlstore import SqlStore

GREETING = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: hello\ndata: {}\n\n"


class Pusher(asyncio.Protocol):
    """One client."""

    everybody: "set[asyncio.Transport]" = set()
    server: asyncio.Server | None = None  # kept, or it would be closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(GREETING)
        self.everybody.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.everybody.discard(self.transport)


def push_from(store: SqlStore) -> None:
    """Send every fact to every client before it is recorded."""
    write: Callable[..., Awaitable[Any]] = store.write

    async def pushing(script: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        for given in args:
            if isinstance(given, list):
                _push([fact for fact in given if isinstance(fact, Began | Ended | Lines)])
        return await write(script, *args, **kwargs)

    store.write = pushing  # type: ignore[method-assign]


def _push(facts: list[Fact]) -> None:
    for fact in facts:
        event = {"type": "job_status_change", "payload": {"job_id": str(fact.job_id), "what": type(fact).__name__}}
        frame = b"event: logs\ndata: %s\n\n" % msgspec.json.encode(event)
        for transport in Pusher.everybody:
            transport.write(frame)


async def listen() -> int:
    """Accept clients; the port."""
    Pusher.server = server = await asyncio.get_running_loop().create_server(Pusher, "127.0.0.1", 0, backlog=2048)
    return int(server.sockets[0].getsockname()[1])
