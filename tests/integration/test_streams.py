"""Streams over real processes: every line once, in order, to the end, whatever is cut or killed in between."""

import asyncio
import json
import os
import random
import signal
import time
from pathlib import Path

import aiohttp
import pytest
from tests.integration.engine import BOTH_STORES
from tests.integration.program import CONFIG, Program, http, submit, wait_for
from tests.integration.reading import Reader, cutting_proxy, stored_entries

pytestmark = pytest.mark.anyio
SOON = 2.0  # seconds of the promise
TALKATIVE = {"worker_count": 12, "log_count": 250, "log_delay_ms": 12, "failure_rate": 0.2}


def generate(address: str, **payload: object) -> str:
    """Start a generator; its id."""
    return submit(address, "generator", payload, max_attempts=1)


def incarnation(address: str) -> str:
    """The store's name."""
    return str(http("GET", f"{address}/api/version")[1]["incarnation"])


def gateways(program: Program) -> list[int]:
    """The gateway processes."""
    return [pid for pid, words in program.processes().items() if "quaero.app gateway" in words]


def end_one(program: Program, number: int) -> None:
    """Send a signal to a gateway."""
    for pid in gateways(program)[:1]:
        os.kill(pid, number)


@BOTH_STORES
async def test_disturbed_viewers_see_every_line_once(program: Program) -> None:
    up, address = program.up()
    rng = random.Random(3)
    job_id = generate(address, **TALKATIVE)
    start = f"{incarnation(address)}.{job_id}.0"
    async with cutting_proxy(address, rng, 120_000) as proxy, aiohttp.ClientSession() as session:
        readers = [
            Reader(address, job_id, start, rng, cut_within=150_000),
            Reader(address, job_id, start, rng, by_header=False, cut_within=70_000),
            Reader(address, job_id, start, rng, via=proxy),
            Reader(address, job_id, start, rng, via=proxy, level="error", by_header=False),
            Reader(address, job_id, start, rng),
        ]
        reading = asyncio.gather(*(reader.read_to_the_end(session) for reader in readers))
        for number in (signal.SIGKILL, signal.SIGTERM):
            await readers[0].has(700 if number == signal.SIGKILL else 1_700)
            end_one(program, number)
        await reading

        for reader in readers:
            stored = await stored_entries(session, address, job_id, level=reader.level)
            assert not reader.faults(stored), reader.faults(stored)
        assert sum(reader.connections for reader in readers) > 20
        assert readers[-1].byes == 1
    assert up.process.poll() is None


async def test_whoever_comes_back_to_the_end_of_a_closed_tree_is_stopped(program: Program) -> None:
    _, address = program.up()
    job_id = generate(address, log_count=3)
    async with aiohttp.ClientSession() as session:
        reader = Reader(address, job_id, f"{incarnation(address)}.{job_id}.0", random.Random(1), level="error")
        await reader.read_to_the_end(session)
        url = f"{address}/api/logs/stream?scope=job&job_id={job_id}&level=error"
        async with session.get(url, headers={"Last-Event-ID": reader.cursor}) as answer:
            assert answer.status == 204
        async with session.get(f"{url}&cursor={reader.cursor}") as answer:
            assert answer.status == 204


async def test_a_deleted_tree_with_a_cursor_is_told_in_the_stream(program: Program) -> None:
    _, address = program.up()
    job_id = generate(address, log_count=3)
    program.ended(job_id)
    cursor = f"{incarnation(address)}.{job_id}.2"
    assert http("DELETE", f"{address}/api/jobs/{job_id}")[0] == 200

    async with aiohttp.ClientSession() as session:
        async with session.get(f"{address}/api/jobs/{job_id}/logs/stream?cursor={cursor}") as answer:
            assert answer.status == 200
            told = b""
            while b"event: end" not in told:
                told += await answer.content.readany()
            assert b"event: gap" in told
        async with session.get(f"{address}/api/jobs/{job_id}/logs/stream") as answer:
            assert answer.status == 404


async def test_draining_tells_every_viewer_within_two_seconds_and_they_come_back_apart(program: Program) -> None:
    up, address = program.up()
    job_id = generate(address, worker_count=1, log_count=1_000, log_delay_ms=500)
    took: list[float] = []
    while len(took) < 5 and in_time(took) < 2:  # a busy machine may be late for a while
        took.append(await told_of_the_drain(program, address, job_id))

    assert in_time(took) == 2, took
    assert up.process.poll() is None


def in_time(took: list[float]) -> int:
    """How many of these kept the promise."""
    return sum(seconds <= SOON for seconds in took)


async def told_of_the_drain(program: Program, address: str, job_id: str) -> float:
    """Stop the gateway under many viewers; seconds from the signal to the end of the last one's connection."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        [gateway] = wait_for(lambda: gateways(program), "a gateway")
        streams = [await session.get(f"{address}/api/jobs/{job_id}/logs/stream") for _ in range(30)]
        sockets = [await session.ws_connect(f"{address}/ws") for _ in range(15)]
        for stream in streams:
            await stream.content.readuntil(b"event: hello")
        for socket in sockets:
            await socket.receive()
        began = time.monotonic()
        os.kill(gateway, signal.SIGTERM)
        byes = await asyncio.gather(*map(stream_bye, streams), *map(socket_bye, sockets))
        took = time.monotonic() - began
    waits = [bye["retry_ms"] for bye in byes]
    assert all(0 < wait <= 3_000 for wait in waits)
    assert len(set(waits)) > len(waits) // 2  # not all at once
    wait_for(lambda: gateway not in gateways(program) and gateways(program), "the next gateway")
    wait_for(lambda: http("GET", f"{address}/api/health")[0] == 200, "its answer")
    return took


async def stream_bye(answer: aiohttp.ClientResponse) -> dict[str, int]:
    """What a stream said last before it ended."""
    told = await answer.content.read()
    bye: dict[str, int] = json.loads(told.rpartition(b"event: bye\ndata: ")[2])
    return bye


async def socket_bye(socket: aiohttp.ClientWebSocketResponse) -> dict[str, int]:
    """What a WebSocket said last before it was closed."""
    said = [message.json() async for message in socket if message.type is aiohttp.WSMsgType.TEXT]
    assert socket.close_code == 1012
    assert said[-1]["type"] == "bye"
    bye: dict[str, int] = said[-1]["payload"]
    return bye


async def test_gateways_alone_serve_what_workers_alone_do(tmp_path: Path) -> None:
    program = Program(tmp_path, CONFIG + "[server]\ngateways = 2\n")
    try:
        serve = program.start("serve", "--port", "0")
        words = serve.until("serving sqlite").split()
        address = words[words.index("at") + 1].rstrip("/")
        assert len(gateways(program)) == 2
        work = program.start("work", "--app", "tests.integration.apps")
        work.until("working for")
        job_id = generate(address, worker_count=2, log_count=20, log_delay_ms=20)
        async with aiohttp.ClientSession() as session:
            readers = [
                Reader(address, job_id, f"{incarnation(address)}.{job_id}.0", random.Random(n), cut_within=12_000)
                for n in range(4)
            ]
            await asyncio.gather(*(reader.read_to_the_end(session) for reader in readers))
            stored = await stored_entries(session, address, job_id)
        assert len(stored) > 40
        assert [reader.faults(stored) for reader in readers] == [[]] * 4
        serve.send(signal.SIGTERM)
        assert serve.wait() == 0
    finally:
        program.close()
