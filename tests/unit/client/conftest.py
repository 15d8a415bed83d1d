"""A real server over a real store, and clients of both."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.unit.cli.conftest import Hand, a_hand

from quaero.client import AsyncClient
from quaero.gateway.server import bind, serve
from quaero.gateway.state import Gateway
from quaero.settings import Settings, load
from quaero.storage.sqlstore import SqlStore


class Served(NamedTuple):
    """A server that runs, and hands that work for it."""

    url: str
    hand: Hand
    settings: Settings


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("QUAERO_"):
            monkeypatch.delenv(name)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/q.db"


@asynccontextmanager
async def served(url: str, port: int = 0, **flags: str) -> AsyncIterator[Served]:
    settings = load(environ={}, flags={"store.url": url, **{key.replace("__", "."): v for key, v in flags.items()}})
    async with SqlStore.open(url) as store:
        stop, ready = asyncio.Event(), asyncio.Event()
        listener = bind("127.0.0.1", port)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        gateway = Gateway(store, "1.2.3", settings=settings)
        serving = asyncio.create_task(serve(gateway, listener, stop=stop, on_ready=ready.set))
        await ready.wait()
        try:
            yield Served(address, await a_hand(store), settings)
        finally:
            stop.set()
            await serving


@pytest.fixture
async def server(url: str) -> AsyncIterator[Served]:
    async with served(url) as running:
        yield running


@pytest.fixture
async def client(server: Served) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.url) as opened:
        yield opened
