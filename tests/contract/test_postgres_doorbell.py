"""The doorbell over NOTIFY keeps every promise of a doorbell."""

from pathlib import Path

from tests import postgres

from quaero.doorbell.postgres import PostgresDoorbell, channel_of
from quaero.testing.doorbellcontract import DoorbellContract


class TestPostgresDoorbell(DoorbellContract):
    def open_doorbell(self, database: Path) -> PostgresDoorbell:
        bell = PostgresDoorbell(postgres.server(), channel_of(str(database)))
        assert bell.listens(30)
        return bell
