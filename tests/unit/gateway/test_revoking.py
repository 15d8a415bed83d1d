"""A credential that ends takes its open streams and sockets with it, over real connections, within two seconds."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, NamedTuple

import pytest
from websockets.asyncio.client import ClientConnection, connect

from quaero.domain.access import Access, Key, new_key
from quaero.gateway.auth.tokens import add_token, revoke_token
from quaero.gateway.server import bind, serve
from quaero.settings import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quaero.gateway.state import Gateway
    from quaero.storage.sqlstore import SqlStore

    Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

pytestmark = pytest.mark.anyio
SETTINGS = load(environ={}, flags={"auth.required": "true", "auth.max_streams": "3"})


class Guarded(NamedTuple):
    """A server that wants a credential."""

    port: int
    store: SqlStore

    async def token(self, lifetime: int = 0) -> Key:
        key = new_key("qk")
        await self.store.write(add_token, key, "viewer", Access.VIEWER, lifetime)
        return key

    async def stream(self, key: Key) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the service log's stream; its status."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"GET /api/service/logs/stream HTTP/1.1\r\nhost: localhost:{self.port}\r\n"
        writer.write(f"{head}authorization: Bearer {key.text}\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        return int(answer.split()[1]), reader, writer

    async def socket(self, key: Key) -> ClientConnection:
        """Open a WebSocket; it has said who it is."""
        headers = {"authorization": f"Bearer {key.text}"}
        socket = await connect(f"ws://localhost:{self.port}/ws", additional_headers=headers)
        assert json.loads(await socket.recv())["type"] == "status"
        return socket


@pytest.fixture
async def guarded(gateway: Gateway, store: SqlStore) -> AsyncIterator[Guarded]:
    gateway.settings = SETTINGS
    stop, ready = asyncio.Event(), asyncio.Event()
    listener = bind("127.0.0.1", 0)
    serving = asyncio.create_task(serve(gateway, listener, stop=stop, on_ready=ready.set))
    await ready.wait()
    yield Guarded(listener.getsockname()[1], store)
    stop.set()
    await serving


async def until_closed(reader: asyncio.StreamReader) -> float:
    """Read until the answer ends; when it did."""
    data = b""
    while not data.endswith(b"0\r\n\r\n") and (more := await reader.read(65_536)):
        data = (data + more)[-100_000:]
    return asyncio.get_running_loop().time()


async def test_what_a_revoked_token_has_open_closes_and_what_others_have_stays(guarded: Guarded) -> None:
    revoked, staying = await guarded.token(), await guarded.token()
    status, reader, writer = await guarded.stream(revoked)
    _, others, others_writer = await guarded.stream(staying)
    socket, others_socket = await guarded.socket(revoked), await guarded.socket(staying)
    still = asyncio.create_task(until_closed(others))

    await guarded.store.write(revoke_token, revoked.id)
    began = asyncio.get_running_loop().time()
    ended = await until_closed(reader)
    await socket.wait_closed()
    closed = asyncio.get_running_loop().time()
    again, _, again_writer = await guarded.stream(revoked)

    assert status == 200
    assert max(ended, closed) - began <= 2
    assert socket.close_code == 1008
    assert again == 401
    assert not still.done()
    assert json.loads(await _pong(others_socket))["type"] == "pong"
    still.cancel()
    await others_socket.close()
    for one in (writer, others_writer, again_writer):
        one.close()


async def _pong(socket: ClientConnection) -> str:
    await socket.send('{"type": "ping", "payload": {}}')
    while True:
        said = await socket.recv()
        assert isinstance(said, str)
        if '"pong"' in said:
            return said


async def test_a_token_that_expires_closes_what_it_has_open(guarded: Guarded) -> None:
    key = await guarded.token(lifetime=700_000)
    status, reader, writer = await guarded.stream(key)
    began = asyncio.get_running_loop().time()

    ended = await until_closed(reader)

    assert status == 200
    assert ended - began <= 2.7
    writer.close()


async def test_one_identity_has_so_many_streams_and_another_is_not_bothered(guarded: Guarded) -> None:
    greedy, modest = await guarded.token(), await guarded.token()
    opened = [await guarded.stream(greedy) for _ in range(4)]
    other = await guarded.stream(modest)
    opened[0][2].close()

    async def told_first(reader: asyncio.StreamReader) -> bytes:
        return await reader.readuntil(b"\n\n")

    async def one_more() -> bytes:
        while True:  # the server notices at its own pace that the first one left
            _, reader, writer = await guarded.stream(greedy)
            told = await told_first(reader)
            writer.close()
            if b"event: bye" not in told:
                return told

    assert [status for status, *_ in [*opened, other]] == [200] * 5  # a browser never comes back after a 429
    told = [await told_first(reader) for _, reader, _ in [*opened[1:], other]]
    assert [b"id: " in first for first in told] == [True, True, False, True]
    assert b"3 streams of this identity are under way" in told[2]
    assert b'event: bye\ndata: {"retry_ms":' in told[2]
    assert b"id: " in await one_more()
    for _, _, writer in [*opened, other]:
        writer.close()
