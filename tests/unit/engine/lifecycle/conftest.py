"""A store on a temporary file, with a worker by hand; whatever a test does, the doctor must find nothing after it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quaero.storage.doctor import examine
from quaero.storage.sqlite import connect
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def bench(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Bench]:
    path = tmp_path / "quaero.db"
    async with SqlStore.open(f"sqlite:///{path}", clock=clock) as store:
        yield await Bench.set_up(store, clock)
    db = connect(path)
    findings = examine(db, clock.now())
    db.handle.close()
    assert findings == []
