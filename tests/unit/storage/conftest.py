"""A store on a temporary file with a worker by hand, and the same file opened raw."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from quaero.storage.sqlite import connect
from quaero.storage.sqliteconnection import SqliteConnection
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def bench(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Bench]:
    async with SqlStore.open(f"sqlite:///{tmp_path}/quaero.db", clock=clock) as store:
        yield await Bench.set_up(store, clock)


@pytest.fixture
def db(bench: Bench, tmp_path: Path) -> Iterator[SqliteConnection]:
    """Another connection to the file of `bench`."""
    raw = connect(tmp_path / "quaero.db")
    yield raw
    raw.handle.close()
