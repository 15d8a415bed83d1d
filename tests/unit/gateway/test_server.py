"""The server around the routes: its socket, its start and its end."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

import pytest

from quaero.domain.errors import InvalidInput
from quaero.gateway.server import bind, serve

if TYPE_CHECKING:
    from quaero.gateway.state import Gateway

pytestmark = pytest.mark.anyio


async def ask(port: int, request: str) -> tuple[int, bytes]:
    """One request on a connection of its own; status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.replace("PORT", str(port)).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    return int(head.split()[1]), body


async def test_it_serves_over_a_real_socket_and_stops_soon_with_connections_open(gateway: Gateway) -> None:
    stop, ready = asyncio.Event(), asyncio.Event()
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    serving = asyncio.create_task(serve(gateway, listener, stop=stop, on_ready=ready.set))
    await ready.wait()
    _, idle = await asyncio.open_connection("127.0.0.1", port)

    ours = await ask(port, "GET /api/ready HTTP/1.1\r\nhost: localhost:PORT\r\n\r\n")
    rebound = await ask(port, "GET /api/ready HTTP/1.1\r\nhost: evil.example:PORT\r\n\r\n")
    body = json.dumps({"kind": "fetch"})
    head = f"POST /api/jobs HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\ncontent-length: {len(body)}\r\n"
    posted = await ask(port, f"{head}content-type: application/json\r\n\r\n{body}")
    form = await ask(port, f"{head}content-type: text/plain\r\n\r\n{body}")
    stop.set()
    async with asyncio.timeout(20):  # the idle connection alone would stay for 75
        await serving

    assert (ours[0], rebound[0], posted[0], form[0]) == (200, 421, 201, 415)
    assert gateway.draining
    idle.close()


async def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(InvalidInput, match="in use: choose another with --port"):
        bind("127.0.0.1", taken.getsockname()[1])


async def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(InvalidInput):
        bind("no such host", 0)


async def test_ipv6_loopback_is_served_where_there_is_one() -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return
    with bind("::1", 0) as listener:
        assert listener.family == socket.AF_INET6
