"""The SQLite store keeps every promise of a store."""

from pathlib import Path
from typing import Any

from quaero.storage.doctor import examine
from quaero.storage.sqlite import connect
from quaero.storage.sqlstore import SqlStore
from quaero.testing import FakeClock
from quaero.testing.storecontract import StoreContract


class TestSqliteStore(StoreContract):
    def open_store(self, folder: Path, clock: FakeClock) -> SqlStore:
        return SqlStore.open(f"sqlite:///{folder}/quaero.db", clock=clock)

    def findings(self, folder: Path, clock: FakeClock) -> list[Any]:
        db = connect(folder / "quaero.db", readonly=True)
        try:
            return examine(db, clock.now())
        finally:
            db.handle.close()
