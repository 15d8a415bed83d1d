"""Whoever only reads opens a store while another program holds its lock; whoever writes is told, and keeps nobody."""

import asyncio
import fcntl
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from quaero.storage.migrate import migrate
from quaero.storage.port import JobFilter
from quaero.storage.sqlite import connect
from quaero.storage.sqlstore import SqlStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "quaero.db"
    db = connect(path)
    migrate(db, "sqlite")
    db.handle.close()
    return path


@pytest.fixture
def locked(path: Path) -> Iterator[apsw.Connection]:
    """SQLite's write lock, held by a program that knows nothing of our queue."""
    handle = apsw.Connection(str(path))
    handle.execute("begin immediate")
    handle.execute("update meta set value = value")
    yield handle
    handle.execute("rollback")
    handle.close()


async def roots_of(path: Path) -> int:
    async with await asyncio.to_thread(SqlStore.open, f"sqlite:///{path}") as store:
        return len((await store.jobs(JobFilter(roots=True))).jobs)


async def test_a_store_is_opened_and_read_beside_a_program_that_holds_its_lock(
    path: Path, locked: apsw.Connection
) -> None:
    assert await roots_of(path) == 0


async def test_a_store_is_opened_and_read_beside_a_writer_that_was_stopped_in_the_turnstile(path: Path) -> None:
    with open(f"{path}.next", "w") as first, open(f"{path}.write", "w") as second:
        for file in (first, second):
            fcntl.flock(file, fcntl.LOCK_EX)

        assert await roots_of(path) == 0

        assert "quaero-turnstile" not in {thread.name for thread in threading.enumerate()}  # nobody waits for a lock


async def test_a_new_store_is_made_by_one_of_those_who_open_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    found = await asyncio.gather(*(roots_of(path) for _ in range(4)))
    assert found == [0] * 4
