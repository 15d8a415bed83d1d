"""A disk on which every fsync takes a while, as it does on one without a battery: a VFS that sleeps in `xSync`."""

import time

import apsw


class _SlowFile(apsw.VFSFile):
    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int], seconds: float) -> None:
        super().__init__("", name, flags)
        self._seconds = seconds

    def xSync(self, flags: int) -> None:
        time.sleep(self._seconds)
        super().xSync(flags)


class SlowDisk(apsw.VFS):
    """Registers itself under `name`; keep a reference as long as a connection uses it."""

    def __init__(self, seconds: float, name: str = "slow") -> None:
        super().__init__(name, "")
        self.name = name
        self._seconds = seconds

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """Every file of a database is on this disk."""
        return _SlowFile(name, flags, self._seconds)
