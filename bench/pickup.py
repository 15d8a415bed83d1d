"""How long an idle system takes from an enqueue to the first line of the handler."""

import asyncio
import socket
import time

import msgspec

from bench import filled
from bench.figures import Figure, Samples, Scenario
from bench.lab import Lab, folder
from bench.up import up
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.storage.sqlstore import SqlStore

APP = ("--app", "bench.jobs:app")
PAUSE_SECONDS = 0.02


def through_store(lab: Lab) -> Samples:
    """Enqueued by another process through the store."""
    return asyncio.run(_through_store(lab.size(300, 100)))


async def _through_store(n: int) -> Samples:
    with folder() as place, up(place, *APP):
        async with filled.opened(place) as store:
            sent: dict[int, int] = {}
            for _ in range(n):
                before = time.time_ns()
                [job] = await store.write(enqueue, [NewJob("stamp")])
                sent[job.id] = before
                await asyncio.sleep(PAUSE_SECONDS)
            return await _delays(store, sent, "store")


def through_rest(lab: Lab) -> Samples:
    """Enqueued over HTTP, one connection that stays open."""
    return asyncio.run(_through_rest(lab.size(300, 100)))


async def _through_rest(n: int) -> Samples:
    with folder() as place, up(place, *APP) as running:
        async with filled.opened(place) as store:
            sent = await asyncio.to_thread(_post_paced, running.port, n)
            return await _delays(store, sent, "rest")


def _post_paced(port: int, n: int) -> dict[int, int]:
    body = b'{"kind":"stamp"}'
    head = f"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    request = head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
    sent: dict[int, int] = {}
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(n):
            before = time.time_ns()
            connection.sendall(request)
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(65536)
            sent[int(msgspec.json.decode(answer[answer.index(b"\r\n\r\n") + 4 :])["id"])] = before
            time.sleep(PAUSE_SECONDS)
    return sent


async def _delays(store: SqlStore, sent: dict[int, int], name: str) -> Samples:
    await filled.completed(store, len(sent), patience=30)
    jobs = await store.jobs_by_id(list(sent))
    delays = sorted((int(job.result or b"0") - sent[job.id]) / 1e6 for job in jobs)
    return {f"{name} p50": delays[len(delays) // 2], f"{name} p99": delays[int(len(delays) * 0.99)]}


SCENARIO = Scenario(
    "pickup",
    "an idle `quaero up`, a job every 20 ms: enqueue to the first line of its handler",
    [through_store, through_rest],
    [
        Figure("store p50", "through the store, p50", "ms", 5, 2, low=True),
        Figure("store p99", "through the store, p99", "ms", 30, 10, low=True),
        Figure("rest p50", "through REST, p50", "ms", 5, 2, low=True),
        Figure("rest p99", "through REST, p99", "ms", 30, 10, low=True),
    ],
)
