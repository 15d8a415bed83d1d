"""Room on the disk: a ballast file to throw off, and refusal of new work before there is none.

A full disk blocks its own cure: SQLite can then not even delete. So some space is held in a file beside the database;
when a write finds the disk full, the ballast goes, what is accepted is finished and recorded, and new work is refused
until there is room for the ballast again.
"""

import os
from pathlib import Path

from quaero.domain.bounds import MIB
from quaero.domain.errors import StoreFull

BALLAST = 8 * MIB
LOW_WATER = 16 * MIB
SCARCE = MIB // 4


class Space:
    """Watches the file system a database lies on."""

    def __init__(self, database: Path, *, ballast: int = BALLAST, low_water: int = LOW_WATER) -> None:
        self._path = database.with_name(database.name + ".ballast")
        self._folder = database.parent
        self._size = ballast
        self._low_water = low_water

    def free(self) -> int:
        """Bytes a program like ours may still use."""
        status = os.statvfs(self._folder)
        return status.f_bavail * status.f_frsize

    @property
    def is_full(self) -> bool:
        """Whether there is no room even for what every program that opens the store needs."""
        return self.free() < SCARCE

    def admit(self) -> None:
        """Raise StoreFull when there is too little room to accept new work."""
        free = self.free()
        if free < self._low_water or (not self._path.exists() and not self.restore()):
            raise StoreFull(
                f"only {free // MIB} MiB free in {self._folder}: no new work is accepted until there are"
                f" {(self._low_water + self._size) // MIB} MiB; what was accepted is kept"
            )

    def restore(self) -> bool:
        """Take up ballast if there is room for it; whether it is there now."""
        if self._path.exists():
            return True
        if self.free() < self._low_water + self._size:
            return False
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, self._size)
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        finally:
            os.close(handle)
        return True

    def throw_off(self) -> bool:
        """Free the ballast; False if it was gone already."""
        if not self._path.exists():
            return False
        self._path.unlink(missing_ok=True)
        return True
