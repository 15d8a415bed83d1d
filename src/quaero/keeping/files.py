"""Looking after a store in a file: check it, back it up, put a backup back."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from quaero.clock import SystemClock
from quaero.domain.errors import Conflict, InvalidInput, NotFound
from quaero.settings import Settings
from quaero.storage.connection import Connection
from quaero.storage.doctor import Finding, examine
from quaero.storage.sqlite import connect, database_path
from quaero.storage.sqliteconnection import SqliteConnection
from quaero.storage.sqlitetrouble import translated

IDS_SKIPPED = 1_000_000  # after a restore: ids given since the backup are not given again
_SIDE_FILES = ("-wal", "-shm")


def store_path(settings: Settings) -> Path:
    """The file of the store. Raises InvalidInput for a URL that names none."""
    return database_path(settings.store.url)


def require_store(settings: Settings) -> Path:
    """The file of a store that exists. Raises NotFound saying how to make one."""
    return require_file(store_path(settings))


def require_file(path: Path) -> Path:
    """The file of a store that exists."""
    if not path.is_file():
        raise NotFound(f"there is no store at {path}: name another with --store, or make it with `quaero init`")
    return path


@contextmanager
def _opened(path: Path, *, readonly: bool = True) -> Iterator[SqliteConnection]:
    """A connection for the length of a block."""
    with translated(path):
        db = connect(path, readonly=readonly)
        try:
            yield db
        finally:
            db.handle.close()


def check(settings: Settings) -> list[Finding]:
    """Every violated invariant of the store."""
    path = require_store(settings)
    with _opened(path) as db:
        db.handle.execute("begin")
        return examine(db, SystemClock().now())


def backup(settings: Settings, target: Path) -> int:
    """Write a whole, compact copy of the store as of now; its size in bytes. Raises Conflict if `target` exists."""
    source = require_store(settings)
    if target.exists():
        raise Conflict(f"{target} exists: name a new file, a backup never overwrites anything")
    return _copy(source, target)


def _copy(source: Path, target: Path, prepare: Callable[[Connection], None] | None = None) -> int:
    """A copy that is whole on the disk before it has its name; `prepare` may change it before that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.part")
    unfinished.unlink(missing_ok=True)
    try:
        with _opened(source) as db:
            db.handle.execute("vacuum into ?", (str(unfinished),))
        if prepare is not None:
            with _opened(unfinished, readonly=False) as copy:
                prepare(copy)
        unfinished.chmod(0o600)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
    _sync_folder(target.parent)
    return target.stat().st_size


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def restore(settings: Settings, source: Path, *, replace: bool = False) -> Path | None:
    """Make the store from a backup: a new life of it, so every cursor of the old one starts again.

    With `replace` a store that is there is moved aside, and where to is returned. Raises NotFound, InvalidInput for a
    file that is no backup, Conflict for a store that exists or is in use.
    """
    path = store_path(settings)
    if not source.is_file():
        raise NotFound(f"there is no backup at {source}")
    _require_whole(source)
    given, aside = 0, None
    if path.exists():
        if not replace:
            raise Conflict(f"{path} exists: restore beside it with --store, or move it aside with --replace")
        given = _require_unused(path)
        aside = _move_aside(path)
    _copy(source, path, lambda copy: _begin_new_life(copy, given))
    return aside


def _require_whole(source: Path) -> None:
    with _opened(source) as db:
        names = {row[0] for row in db.rows("select name from sqlite_schema where type = 'table'")}
        if not {"meta", "job", "run", "block"} <= names:
            raise InvalidInput(f"{source} is not a backup of a Quaero store")
        ((verdict,),) = db.rows("pragma quick_check(1)")
        if verdict != "ok":
            raise InvalidInput(f"{source} is damaged: {verdict}")


def _require_unused(path: Path) -> int:
    """The last id the store gave. Raises Conflict while a worker holds a lease on it."""
    with _opened(path) as db:
        live = db.rows("select host, pid from worker where state <> 'gone' and lease_until > ?", (SystemClock().now(),))
        if live:
            host, pid = live[0]
            raise Conflict(f"a worker runs on {path} (process {pid} on {host}): stop it before restoring")
        return _last_id(db)


def _last_id(db: Connection) -> int:
    ((value,),) = db.rows("select value from meta where key = 'last_id'")
    return int(value)


def _move_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.before-{time.strftime('%Y%m%d-%H%M%S')}")
    path.rename(aside)
    for suffix in _SIDE_FILES:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def _begin_new_life(copy: Connection, given: int) -> None:
    last_id = max(_last_id(copy) + IDS_SKIPPED, given)
    copy.run("update meta set value = ? where key = 'last_id'", (str(last_id),))
    copy.run("update meta set value = lower(hex(randomblob(4))) where key = 'incarnation'")
