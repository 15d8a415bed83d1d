"""The doorbell over Unix datagrams keeps every promise of a doorbell, and clears away what the dead leave."""

import os
from pathlib import Path

from quaero.doorbell.local import LocalDoorbell, _folder
from quaero.testing.doorbellcontract import DoorbellContract


class TestLocalDoorbell(DoorbellContract):
    def open_doorbell(self, database: Path) -> LocalDoorbell:
        return LocalDoorbell(database)

    def kept(self, database: Path) -> int:
        return len(os.listdir(_folder(database)))
