"""A stream that cannot begin now is told so in a stream: a browser's EventSource would never ask again otherwise."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.gateway.sockets import served

from quaero.domain.errors import StoreLocked
from quaero.gateway.postponed import RETRY_MS

if TYPE_CHECKING:
    from quaero.gateway.state import Gateway

    from .conftest import Submit

pytestmark = pytest.mark.anyio


async def asked(port: int, path: str, method: str = "GET") -> tuple[bytes, bytes]:
    """Head and body of an answer that ends by itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n".encode())
    async with asyncio.timeout(20):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return head, body


def said_goodbye(head: bytes, body: bytes) -> dict[str, Any]:
    """What a `bye` in a whole stream said. It must not touch the cursor its reader has."""
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-type: text/event-stream; charset=utf-8" in head.lower()
    lines = body.decode().splitlines()
    assert not [line for line in lines if line.startswith("id")]
    assert lines[-3] == "event: bye"
    told: dict[str, Any] = json.loads(lines[-2].removeprefix("data: "))
    assert f"retry: {told['retry_ms']}" in lines
    assert RETRY_MS[0] <= told["retry_ms"] <= RETRY_MS[1]
    return told


PATHS = [
    "/api/jobs/{id}/logs/stream",
    "/api/logs/stream?scope=job&job_id={id}",
    "/api/logs/stream",
    "/api/service/logs/stream",
]


@pytest.mark.parametrize("path", PATHS)
async def test_while_the_store_is_away(
    gateway: Gateway, submit: Submit, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await submit()

    async def away(*_: Any) -> Any:
        raise StoreLocked("held by another\nprogram")

    async with served(gateway) as port:
        monkeypatch.setattr(type(gateway.store), "_read", away)
        head, body = await asked(port, path.format(id=job["id"]))
        monkeypatch.undo()

    said_goodbye(head, body)
    assert body.startswith(b": held by another program\n")


@pytest.mark.parametrize("path", PATHS)
async def test_while_the_server_stops(gateway: Gateway, submit: Submit, path: str) -> None:
    job = await submit()

    async with served(gateway) as port:
        gateway.draining = True
        said_goodbye(*await asked(port, path.format(id=job["id"])))


async def test_what_is_wrong_with_the_question_is_still_refused(gateway: Gateway) -> None:
    async with served(gateway) as port:
        statuses = [
            (await asked(port, path))[0].split()[1]
            for path in ("/api/jobs/9/logs/stream", "/api/jobs/x/logs/stream", "/api/logs/stream?level=loud")
        ]

    assert statuses == [b"404", b"404", b"422"]
