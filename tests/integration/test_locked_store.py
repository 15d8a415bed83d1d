"""Another program holds the store's write lock for longer than anybody waits: a clear word, and nothing is lost."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from tests.integration.engine import running, settings_for, status
from tests.integration.program import Program

pytestmark = pytest.mark.anyio

LOCKED_SECONDS = 12.0


@contextmanager
def locked(path: Path) -> Iterator[threading.Timer]:
    """Hold SQLite's write lock, as a foreign program would that knows nothing of our queue."""
    handle = apsw.Connection(str(path))
    handle.execute("begin immediate")
    timer = threading.Timer(LOCKED_SECONDS, handle.execute, ["rollback"])
    timer.start()
    try:
        yield timer
    finally:
        timer.join()
        handle.close()


async def test_who_waits_too_long_is_told_and_what_runs_is_recorded_later(tmp_path: Path, program: Program) -> None:
    async with running(settings_for(tmp_path, executors=1, lease=60.0, heartbeat=5.0)) as engine:
        busy = await engine.submit("polite_neighbour", {"seconds": 0.5})
        await engine.reaches(busy, "running")
        chatty = await engine.submit("chatters", {"lines": 5_000})
        await engine.says(chatty, "line 0")

        with locked(engine.store.path) as timer:
            refused = await asyncio.to_thread(program.run, "submit", "add", code=4)
            assert timer.is_alive()
            reading = await asyncio.to_thread(program.run, "show", str(busy), code=4)

        [line] = refused.stderr.splitlines()
        assert line == f"quaero: {engine.store.path} has been locked by another program for 10 s"
        assert (status(await engine.ended(busy)), (await engine.job(busy)).attempt) == ("completed", 1)
        assert (status(await engine.ended(chatty)), (await engine.job(chatty)).attempt) == ("completed", 1)
        assert len([text for text in await engine.texts(chatty) if text.startswith("line")]) == 5_000
        assert reading
