"""The PostgreSQL store keeps every promise of a store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import postgres

from quaero.storage.doctor import examine
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.sqlstore import SqlStore
from quaero.testing import FakeClock
from quaero.testing.storecontract import StoreContract


class TestPostgresStore(StoreContract):
    @pytest.fixture(autouse=True)
    def databases(self) -> Iterator[None]:
        """One for each folder a test uses."""
        self.names: dict[Path, str] = {}
        yield
        for name in self.names.values():
            postgres.drop(name)

    def url(self, folder: Path) -> str:
        if folder not in self.names:
            self.names[folder] = postgres.create()
        return postgres.database(self.names[folder])

    def open_store(self, folder: Path, clock: FakeClock) -> SqlStore:
        return SqlStore.open(self.url(folder), clock=clock)

    def findings(self, folder: Path, clock: FakeClock) -> list[Any]:
        db = PostgresConnection(self.url(folder))
        try:
            return examine(db, clock.now())
        finally:
            db.close()
