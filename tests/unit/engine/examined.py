"""A store whose invariants are examined when a test is done with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from quaero.storage.doctor import examine
from quaero.storage.sqlite import connect
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock


@asynccontextmanager
async def examined(place: Path, clock: FakeClock) -> AsyncIterator[Bench]:
    """Work by hand on a store in a folder; the doctor must find nothing after it."""
    path = place / "quaero.db"
    async with SqlStore.open(f"sqlite:///{path}", clock=clock) as store:
        yield await Bench.set_up(store, clock)
    db = connect(path)
    findings = examine(db, clock.now())
    db.handle.close()
    assert findings == []
