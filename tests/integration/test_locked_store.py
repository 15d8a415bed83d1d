"""Another program holds the store's write lock for longer than anybody waits: a clear word, and nothing is lost."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from tests.integration.engine import running, settings_for, status
from tests.integration.program import Program

from quaero.domain.errors import StoreLocked
from quaero.storage.port import JobFilter

pytestmark = pytest.mark.anyio


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold SQLite's write lock, as a foreign program would that knows nothing of our queue."""
    handle = apsw.Connection(str(path))
    handle.set_busy_timeout(10_000)  # the engine may be in the midst of a write of its own
    handle.execute("begin immediate")
    try:
        yield
    finally:
        handle.execute("rollback")
        handle.close()


async def test_who_waits_too_long_is_told_and_nothing_that_was_accepted_is_lost(
    tmp_path: Path, program: Program
) -> None:
    program.run("init")
    place = tmp_path / "engine"
    place.mkdir()
    async with running(settings_for(place, executors=1, lease=60.0, heartbeat=5.0)) as engine:
        busy = await engine.submit("polite_neighbour", {"seconds": 5.0})
        await engine.reaches(busy, "running")
        chatty = await engine.submit("chatters", {"lines": 5_000})
        await engine.says(chatty, "line 0")

        with locked(program.store), locked(place / "quaero.db"):
            waits = asyncio.create_task(engine.submit("add"))
            listed = await asyncio.to_thread(program.json, "list")
            refused = await asyncio.to_thread(program.run, "submit", "add", code=4)
            assert listed["jobs"] == []
            assert status(await engine.job(busy)) == "running"

        [line] = refused.stderr.splitlines()
        assert line == f"quaero: {program.store} has been locked by another program for 10 s"
        assert program.json("list")["jobs"] == []
        for job_id in (busy, chatty):
            job = await engine.ended(job_id)
            assert (status(job), job.attempt) == ("completed", 1)
        assert [text for text in await engine.texts(chatty) if text.startswith("line")] == [
            f"line {n}" for n in range(5_000)
        ]
        try:
            assert status(await engine.ended(await waits)) == "completed"
        except StoreLocked:
            assert len((await engine.store.jobs(JobFilter(roots=True))).jobs) == 2
