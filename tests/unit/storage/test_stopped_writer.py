"""Another process was stopped in the middle of a transaction: a clear word in bounded time, and no harm."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from quaero.domain.errors import StoreLocked
from quaero.storage import sqlite
from quaero.storage.sqlstore import SqlStore
from quaero.storage.turnstile import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

STOPS_INSIDE = """
import asyncio, os, signal, sys
from quaero.storage.sqlstore import SqlStore

def stop(ledger):
    ledger.run("update meta set value = value")
    print("inside", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    sys.stdin.readline()  # the stop may reach this thread a little later

async def main():
    async with SqlStore.open(sys.argv[1]) as store:
        await store.write(stop)
        print("through", flush=True)

asyncio.run(main())
"""


@contextmanager
def stopped_inside(url: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that stopped itself inside a transaction on this store."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", STOPS_INSIDE, url], text=True, env=env, **pipes) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "inside\n"
            yield process
        finally:
            process.kill()


def touch(ledger: Any) -> str:
    """A write."""
    ledger.run("update meta set value = value")
    return "written"


async def test_a_stopped_writer_is_told_of_in_bounded_time_and_all_goes_on_when_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 300)
    url = f"sqlite:///{tmp_path}/quaero.db"
    async with SqlStore.open(url) as store:
        with stopped_inside(url) as process:
            begun = time.monotonic()
            with pytest.raises(StoreLocked, match="has been locked by another program"):
                await store.write(touch)
            assert time.monotonic() - begun >= PATIENCE_SECONDS

            async with SqlStore.open(url) as another:
                with pytest.raises(StoreLocked):
                    await another.write(touch)

            os.kill(process.pid, signal.SIGCONT)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "through\n"
            assert await store.write(touch) == "written"
