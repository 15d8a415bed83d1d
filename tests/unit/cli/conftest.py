"""A store on a temporary file, with jobs in it as a worker would have left them, and the command line on top."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import pytest

from quaero.cli.main import run
from quaero.domain.entries import Line
from quaero.domain.facts import Began, Child, Ended, ErrorInfo, How, Lines, Spawned
from quaero.domain.job import Job
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.engine.lifecycle.record import record
from quaero.engine.lifecycle.reserve import reserve
from quaero.engine.lifecycle.workers import announce, register
from quaero.engine.protocol import KindInfo, Sort
from quaero.storage.port import Want
from quaero.storage.sqlstore import SqlStore

T = TypeVar("T")
KINDS = ("fetch", "parent")


class Hand:
    """Does by hand what workers do."""

    def __init__(self, store: SqlStore, worker_id: int) -> None:
        self.store = store
        self.worker_id = worker_id

    async def submit(self, kind: str = "fetch", **fields: Any) -> int:
        return (await self.store.write(enqueue, [NewJob(kind, **fields)]))[0].id

    async def take(self, n: int = 1) -> list[Job]:
        return await self.store.write(reserve, self.worker_id, [Want(KINDS, n)])

    async def tell(self, *facts: Any) -> None:
        await self.store.write(record, self.worker_id, facts, {})

    async def begin(self, job: Job, *messages: str, level: int = 1) -> None:
        at = job.created_at
        body = msgspec.msgpack.encode([Line(at, level, message) for message in messages])
        await self.tell(Began(job.id, job.epoch, at))
        if messages:
            await self.tell(Lines(job.id, job.epoch, len(messages), 1 << level, at, at, body))

    async def spawn(self, job: Job, n: int) -> None:
        await self.tell(Spawned(job.id, job.epoch, 0, [Child("fetch", b"{}") for _ in range(n)]))

    async def finish(self, job: Job, error: str | None = None) -> None:
        at = job.created_at + 1
        failure = ErrorInfo("ValueError", error, "", None, True) if error else None
        how = How.FAILED if error else How.COMPLETED
        await self.tell(Ended(job.id, job.epoch, at, at, how, b'{"ok":true}', failure))


async def a_hand(store: SqlStore) -> Hand:
    await store.write(announce, None, [KindInfo(kind, Sort.ASYNC) for kind in KINDS])
    return Hand(store, await store.write(register, secrets.token_hex(8), "host", 1, 1))


class Said(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str


Quaero = Callable[..., Said]
Prepare = Callable[[Callable[[Hand], Coroutine[Any, Any, T]]], T]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    for name in ("QUAERO_STORE_URL", "QUAERO_CONFIG", "QUAERO_JSON", "QUAERO_APP"):
        monkeypatch.delenv(name, raising=False)
    return "sqlite:///q.db"


@pytest.fixture
def quaero(url: str, capfd: pytest.CaptureFixture[str]) -> Quaero:
    """Run a command line in this process, on the temporary store."""

    def call(*args: str) -> Said:
        capfd.readouterr()
        code = run([*args, "--store", url] if "--store" not in args else list(args))
        return Said(code, *capfd.readouterr())

    return call


@pytest.fixture
def prepare(url: str) -> Prepare[Any]:
    """Bring the store into a state, before the command line looks at it."""

    def do(work: Callable[[Hand], Coroutine[Any, Any, T]]) -> T:
        async def inside() -> T:
            async with SqlStore.open(url) as store:
                return await work(await a_hand(store))

        return asyncio.run(inside())

    return do


@pytest.fixture
async def hand(url: str) -> AsyncIterator[Hand]:
    async with SqlStore.open(url) as store:
        yield await a_hand(store)
