"""Thousands who connect and are gone at once, in the middle of whatever they were at: a gateway keeps nothing of them.

RESETS=20000 RESET_SEED=3 python -m pytest tests/chaos/test_resets.py -s
"""

import asyncio
import os
import random
import re
import socket
import struct
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.chaos.test_streams import descriptors, resident
from tests.integration.program import CONFIG, Program, http, wait_for
from tests.integration.test_streams import gateways, generate

pytestmark = pytest.mark.anyio
RESETS = int(os.environ.get("RESETS", "5000"))
SEED = int(os.environ.get("RESET_SEED", "3"))
AT_ONCE = 50
GROWN_MB = 24
NOW = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def requests_of(job_id: str) -> list[str]:
    """What those who leave had asked for: streams, a socket, pages long and short, nothing."""
    return [
        f"GET /api/jobs/{job_id}/logs/stream?level=debug HTTP/1.1\r\n",
        "GET /api/service/logs/stream HTTP/1.1\r\n",
        f"GET /ws HTTP/1.1\r\n{UPGRADE}",
        f"GET /api/jobs/{job_id}/logs HTTP/1.1\r\n",
        f"GET /api/jobs/{job_id}/logs/download HTTP/1.1\r\n",
        "GET /api/jobs HTTP/1.1\r\n",
        "",
    ]


async def come_and_go(host: str, port: int, asked: list[str], rng: random.Random) -> None:
    """Ask for something, perhaps only for half of it, read some bytes or none, and reset the connection."""
    loop = asyncio.get_running_loop()
    with socket.socket() as line, suppress(ConnectionError):
        line.setblocking(False)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
        await loop.sock_connect(line, (host, port))
        head = rng.choice(asked)
        request = f"{head}Host: {host}:{port}\r\n\r\n".encode() if head else b""
        if request:
            await loop.sock_sendall(line, request[: rng.choice((len(request), len(request), len(request) // 2))])
        if rng.random() < 0.6 and request:
            with suppress(TimeoutError):
                async with asyncio.timeout(rng.uniform(0, 0.05)):
                    await loop.sock_recv(line, rng.randrange(1, 100_000))


async def resets(address: str, job_id: str, n: int, rng: random.Random) -> None:
    """So many of them, some at a time."""
    host, _, port = address.removeprefix("http://").partition(":")
    asked, room = requests_of(job_id), asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with room:
            await come_and_go(host, int(port), asked, rng)

    await asyncio.gather(*(one() for _ in range(n)))


def viewers(address: str) -> int:
    """How many the gateway thinks it has."""
    with urllib.request.urlopen(f"{address}/metrics", timeout=60) as answer:
        return sum(int(n) for n in re.findall(r"^quaero_viewers\{.*\} (\d+)", answer.read().decode(), re.MULTILINE))


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """The command line in a folder of its own."""
    program = Program(tmp_path, CONFIG)
    yield program
    program.close()


async def test_those_who_connect_and_reset_leave_nothing(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    _, address = program.up()
    rng = random.Random(SEED)
    job_id = generate(address, worker_count=4, log_count=100_000, log_delay_ms=20)
    [gateway] = gateways(program)
    await resets(address, job_id, RESETS // 10, rng)  # what is made once and kept is made now
    wait_for(lambda: viewers(address) == 0, "the first are forgotten")
    open_before, used_before = descriptors(gateway), resident(gateway)

    await resets(address, job_id, RESETS, rng)

    wait_for(lambda: viewers(address) == 0, "all are forgotten")
    wait_for(lambda: descriptors(gateway) <= open_before + 2, "their descriptors are closed")
    grown = resident(gateway) - used_before
    with capsys.disabled():
        print(f"\n{RESETS} resets: {descriptors(gateway) - open_before:+d} descriptors, {grown:+.1f} MB, seed {SEED}")
    assert grown <= GROWN_MB
    assert gateways(program) == [gateway]
    assert http("GET", f"{address}/api/jobs/{job_id}")[0] == 200
    assert "Traceback" not in program.run("logs", job_id, "--level", "error").stderr
