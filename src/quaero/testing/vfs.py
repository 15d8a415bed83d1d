"""A disk that fails on demand: the power goes, the space runs out, a sync takes its time.

A SQLite VFS over the default one. What is written goes to the real files at once, as through an operating system's
cache; beside them this disk keeps what each file held at its last sync. A power cut puts that back:

    write, truncate, delete -> pending -(sync)-> durable -(power cut)-> the files

Unsynced changes are all lost, or survive sector by sector by chance, in no order, as on a real disk. Nothing is ever
really synced: that is what is being played. The wal-index is shared memory and does not survive.

Deliberately not played: bits that rot and disks that lie about a sync. No store can do its work on those.
"""

import contextlib
import errno
import itertools
import os
import threading
import time
from pathlib import Path
from random import Random

import apsw
import msgspec

SECTOR = 512


class Write(msgspec.Struct, frozen=True):
    """Bytes put somewhere."""

    offset: int
    data: bytes


class Truncate(msgspec.Struct, frozen=True):
    """A file cut, or grown with zeros, to a size."""

    size: int


class Delete(msgspec.Struct, frozen=True):
    """A file removed."""


Change = Write | Truncate | Delete


class Shadow:
    """What a power cut leaves of one file: `durable` (None: no such file), and what may survive or not."""

    def __init__(self, durable: bytes | None) -> None:
        self._durable = None if durable is None else bytearray(durable)
        self.pending: list[Change] = []

    @property
    def is_new(self) -> bool:
        """Whether the folder does not durably know of the file."""
        return self._durable is None

    def sync_folder(self) -> None:
        """If the file was deleted, it is gone for good; what was written to a new one of its name is not safe."""
        gone = max((n for n, change in enumerate(self.pending) if isinstance(change, Delete)), default=-1)
        if gone >= 0:
            self._durable = None
            del self.pending[: gone + 1]

    def sync(self) -> None:
        """Everything so far is safe; so is that the file exists."""
        if self._durable is None:
            self._durable = bytearray()
        for change in self.pending:
            self._durable = _applied(self._durable, change)
        self.pending.clear()

    def remains(self, rng: Random | None) -> bytes | None:
        """The file after a power cut: as it was synced, and with `rng` some of what was changed since."""
        content = None if self._durable is None else bytearray(self._durable)
        for change in self.pending if rng is not None else ():
            for part in _sectors(change):
                if rng is not None and rng.random() < 0.5:
                    content = _applied(content, part)
        return None if content is None else bytes(content)


def _applied(content: bytearray | None, change: Change) -> bytearray | None:
    if isinstance(change, Delete):
        return None
    content = bytearray() if content is None else content
    end = change.size if isinstance(change, Truncate) else change.offset + len(change.data)
    content.extend(bytes(max(0, end - len(content))))
    if isinstance(change, Truncate):
        del content[end:]
    else:
        content[change.offset : end] = change.data
    return content


def _sectors(change: Change) -> list[Change]:
    """A write tears at the sectors of the disk; anything else happens or does not."""
    if not isinstance(change, Write):
        return [change]
    last = change.offset + len(change.data)
    edges = [change.offset, *range((change.offset // SECTOR + 1) * SECTOR, last, SECTOR), last]
    return [
        Write(start, change.data[start - change.offset : end - change.offset])
        for start, end in itertools.pairwise(edges)
    ]


class FrailDisk(apsw.VFS):
    """The disk. Open stores with `vfs=disk.name`; `unregister()` it when they are closed.

    `delay`: milliseconds every sync takes. `writes` and `changes` count the writes so far, and the writes,
    truncations, deletions and syncs so far: moments to aim at.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.delay = 0.0
        self.writes = 0
        self.changes = 0
        self._shadows: dict[Path, Shadow] = {}
        self._lock = threading.RLock()
        self._full_from: int | None = None
        self._ballast: Path | None = None
        self._cut_from: int | None = None
        self._unplugged = False
        super().__init__(name, "")

    def full_after(self, n: int, ballast: Path | None = None) -> None:
        """Have no space for the `n`-th write from now and all later ones, until `free()`.

        With `ballast`, also as soon as that file is removed there is space again.
        """
        self._full_from = self.writes + n
        self._ballast = ballast

    def free(self) -> None:
        """Have space again."""
        self._full_from = None

    def cut_after(self, n: int) -> None:
        """Let the power go at the `n`-th change from now: it and everything later fails, until `power_cut()`."""
        self._cut_from = self.changes + n

    def power_cut(self, rng: Random | None = None) -> None:
        """Leave of every file what a power cut leaves: what was synced, and with `rng` some of the rest by chance.

        From here on the disk is unplugged: programs that still hold it may close it, and change nothing by that.
        """
        with self._lock:
            self._unplugged = True
            for path, shadow in self._shadows.items():
                path.with_name(path.name + "-shm").unlink(missing_ok=True)
                remains = shadow.remains(rng)
                if remains is None:
                    path.unlink(missing_ok=True)
                else:
                    path.write_bytes(remains)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """Open a file; temporary ones are nobody's loss and not watched."""
        if name is None or flags[0] & apsw.SQLITE_OPEN_DELETEONCLOSE:
            return super().xOpen(name, flags)
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        with self._lock:
            if path not in self._shadows:
                self._shadows[path] = Shadow(path.read_bytes() if path.exists() else None)
            return FrailFile(self, path, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Remove a file; for good once the folder is synced. Without power nothing happens: SQLite does not ask."""
        with self._lock, contextlib.suppress(apsw.IOError):
            if self.change(Path(filename), Delete()):
                super().xDelete(filename, syncdir)
                if syncdir:
                    self._shadows.pop(Path(filename), None)

    def change(self, path: Path, change: Change) -> bool:
        """Note a change; whether it shall reach the file. Raises FullError or IOError when its moment has come."""
        with self._lock:
            if self._unplugged:
                return False
            if isinstance(change, Write):
                self.writes += 1
                if self._is_full():
                    raise apsw.FullError("no space left on this disk")
            if path in self._shadows:
                self._shadows[path].pending.append(change)
            self._count()
            return True

    def sync(self, path: Path) -> None:
        """Make a file's changes durable. Raises IOError when the power goes first."""
        if self.delay:
            time.sleep(self.delay / 1000)
        with self._lock:
            if not self._unplugged:
                self._count()
                if self._shadows[path].is_new:  # SQLite syncs the folder with the first sync of a journal or log
                    for other in self._shadows.values():
                        other.sync_folder()
                self._shadows[path].sync()

    def _is_full(self) -> bool:
        if self._full_from is None or self.writes < self._full_from:
            return False
        return self._ballast is None or self._ballast.exists()

    def _count(self) -> None:
        self.changes += 1
        if self._cut_from is not None and self.changes >= self._cut_from:
            raise apsw.IOError(os.strerror(errno.EIO))


class FrailFile(apsw.VFSFile):
    """One file opened through the disk."""

    def __init__(self, disk: FrailDisk, path: Path, name: str | apsw.URIFilename, flags: list[int]) -> None:
        self._disk = disk
        self._path = path
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        """Write, unsynced."""
        if self._disk.change(self._path, Write(offset, bytes(data))):
            super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        """Cut, unsynced."""
        if self._disk.change(self._path, Truncate(newsize)):
            super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        """Sync, as far as this disk goes."""
        self._disk.sync(self._path)


def checkpoint_every(handle: apsw.Connection, pages: int) -> None:
    """Checkpoint when the log holds `pages`, as `pragma wal_autocheckpoint` does, and go on when that fails.

    SQLite swallows the errors of its own automatic checkpoints; apsw would raise them in the commit before, which
    stands, when they come from a VFS in Python.
    """

    def checkpoint(db: apsw.Connection, name: str, held: int) -> int:
        if held >= pages:
            with contextlib.suppress(apsw.Error):
                db.wal_checkpoint(name, apsw.SQLITE_CHECKPOINT_PASSIVE)
        return apsw.SQLITE_OK

    handle.set_wal_hook(checkpoint)
