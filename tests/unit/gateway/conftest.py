"""A gateway over a real store on a temporary file, asked through ASGI."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from quaero.domain.entries import Line
from quaero.domain.facts import Began, Ended, ErrorInfo, How, Lines
from quaero.domain.job import Job
from quaero.engine.lifecycle.record import record
from quaero.engine.lifecycle.reserve import reserve
from quaero.engine.lifecycle.spawn import Memory
from quaero.engine.lifecycle.workers import announce, register
from quaero.engine.protocol import KindInfo, Sort
from quaero.gateway.application import application
from quaero.gateway.auth.place import Place
from quaero.gateway.state import Gateway
from quaero.storage.port import Want
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock

KINDS = ("fetch", "parent")
LEASE = 60_000_000


class Worker:
    """Does by hand what a worker process does: reserves ready jobs and records what became of them."""

    def __init__(self, store: SqlStore, worker_id: int) -> None:
        self.store = store
        self.worker_id = worker_id
        self.memory: Memory = {}

    async def take(self, n: int = 1) -> list[Job]:
        """Reserve ready jobs."""
        return await self.store.write(reserve, self.worker_id, [Want(KINDS, n)])

    async def tell(self, *facts: Any) -> None:
        """Record facts."""
        await self.store.write(record, self.worker_id, facts, self.memory)

    async def log(self, job: Job, *messages: str, level: int = 1) -> None:
        """Log lines of a running job."""
        lines = [Line(job.created_at + n, level, message) for n, message in enumerate(messages)]
        body = msgspec.msgpack.encode(lines)
        at = job.created_at
        await self.tell(Began(job.id, job.epoch, at), Lines(job.id, job.epoch, len(lines), 1 << level, at, at, body))

    async def finish(self, job: Job, error: str | None = None) -> None:
        """End a job's attempt; with an error for good."""
        at = job.created_at + 1
        failure = ErrorInfo("ValueError", error, "", None, True) if error else None
        how = How.FAILED if error else How.COMPLETED
        await self.tell(Ended(job.id, job.epoch, at, at, how, b'{"ok":true}', failure))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    async with SqlStore.open(f"sqlite:///{tmp_path}/quaero.db") as opened:
        await opened.write(announce, None, [KindInfo(kind, Sort.ASYNC) for kind in KINDS])
        yield opened


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def bench(store: SqlStore, clock: FakeClock) -> Bench:
    """Work by hand, with leases that outlast whatever the clock is moved."""
    return await Bench.set_up(store, clock, lease=10**12)


@pytest.fixture
async def worker(store: SqlStore) -> Worker:
    return Worker(store, await store.write(register, "test", "host", 1, LEASE))


@pytest.fixture
def gateway(store: SqlStore) -> Gateway:
    return Gateway(store, version="1.2.3")


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    app = application(gateway, Place(8080))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8080") as opened:
        yield opened
    await app.close()


Submit = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def submit(client: httpx2.AsyncClient) -> Submit:
    async def submit_one(kind: str = "fetch", **fields: Any) -> dict[str, Any]:
        answer = await client.post("/api/jobs", json={"kind": kind, **fields})
        assert answer.status_code == 201, answer.text
        job: dict[str, Any] = answer.json()
        return job

    return submit_one
