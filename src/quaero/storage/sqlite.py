"""The SQLite dialect: opening files safely, and transactions that queue fairly and survive a power cut.

`synchronous=FULL` in WAL mode: a commit is on the disk before it is answered. The SQLite inside apsw is used, never
the standard library's: versions from 3.7.0 to 3.51.2 can corrupt a WAL that two connections write and checkpoint.
"""

import contextlib
import logging
import random
import threading
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import apsw

from quaero.clock import Clock, SystemClock
from quaero.domain.entries import Level
from quaero.domain.errors import InvalidInput, QuaeroError, StoreFull, StoreUnsafe
from quaero.failpoints import failpoint
from quaero.storage.connection import Connection
from quaero.storage.groupcommit import OnCommit, tell_nobody
from quaero.storage.ledger import SqlLedger
from quaero.storage.locks import WholeStore
from quaero.storage.memory import Memory
from quaero.storage.migrate import is_current, migrate
from quaero.storage.rotation import Rotation
from quaero.storage.scattered import Scattered
from quaero.storage.space import Space
from quaero.storage.sqliteconnection import SqliteConnection
from quaero.storage.sqlitetrouble import BUSY_MS, translated
from quaero.storage.sqlitewords import LOWER
from quaero.storage.turnstile import Turnstile

T = TypeVar("T")
log = logging.getLogger("quaero.storage")
OLDEST_SAFE = (3, 51, 3)
CHECKPOINT_PAGES = 4_000  # of the write-ahead log, 16 MB: then it is copied into the database
OVERDUE_PAGES = 4 * CHECKPOINT_PAGES
INCREMENTAL = 2  # of `pragma auto_vacuum`


def database_path(url: str) -> Path:
    """The file a `sqlite:///path` URL names. Raises InvalidInput for anything else."""
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or not parts.path.strip("/"):
        raise InvalidInput(
            f"store URL {url!r}: write sqlite:///path/to/file.db (four slashes for an absolute path) or postgresql://…"
        )
    return Path(unquote(parts.path[1:]))


def check_version(version: str = "") -> None:
    """Raise StoreUnsafe for a SQLite that cannot be trusted with two writers."""
    found = version or apsw.sqlite_lib_version()
    if tuple(int(part) for part in found.split(".")[:3]) < OLDEST_SAFE:
        raise StoreUnsafe(
            f"SQLite {found} can corrupt a database that several processes write (fixed in 3.51.3): "
            "install a newer apsw"
        )


def connect(path: Path, *, vfs: str | None = None, readonly: bool = False) -> SqliteConnection:
    """Open a connection with the settings every connection of ours has."""
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    handle = apsw.Connection(str(path), flags=flags, vfs=vfs)
    with _closed_on_error(handle.close):
        _configure(handle, readonly)
    return SqliteConnection(handle)


@contextlib.contextmanager
def _closed_on_error(close: Callable[[], None]) -> Iterator[None]:
    """Let go of what is half open: whoever tries again in this process must find nothing of it."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(apsw.Error):
            close()
        raise


def _lower(*texts: object) -> str:
    return str(texts[0]).lower()


def _configure(handle: apsw.Connection, readonly: bool) -> None:
    handle.set_busy_timeout(BUSY_MS)
    # else statements are prepared anew whenever a bound value might change their plan: ten times their cost (STAT4)
    handle.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    handle.create_scalar_function(LOWER, _lower, 1, deterministic=True)
    handle.cache_stats()
    if not readonly:
        if handle.pragma("auto_vacuum") != INCREMENTAL:  # to say it once more would take the lock others may hold
            handle.execute("pragma auto_vacuum = incremental")
        handle.execute("pragma journal_mode = wal")
        handle.execute("pragma synchronous = full")
        handle.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_PAGES}")
        handle.execute("pragma journal_size_limit = 67108864")
    handle.execute("pragma temp_store = memory")
    handle.execute("pragma cache_size = -65536")
    handle.execute("pragma mmap_size = 0")


class SqliteWriter:
    """Runs transactions on the one writing connection of this process (implements `groupcommit.Transactions`)."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None,
        writer: str,
        child_level: Level,
        rng: random.Random,
        on_commit: OnCommit = tell_nobody,
        vfs: str | None = None,
    ) -> None:
        check_version()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.space = Space(path)
        self._on_commit = on_commit
        self._clock = clock or SystemClock()
        self._local = threading.local()
        self._readers: list[SqliteConnection] = []
        self._options = {
            "writer": writer,
            "child_level": child_level,
            "rng": rng,
            "admit": self.space.admit,
            "memory": Memory(),
            "rotation": Rotation(),
            "scattered": Scattered(),
        }
        self._data_version = -1
        self._log_pages = 0
        self._turnstile = Turnstile(path)
        with _closed_on_error(self._turnstile.close):
            self.db = self._with_room(partial(self._open, vfs))
        self.db.handle.set_wal_hook(self._note_size)  # from now on `rest` does what commits would do
        path.chmod(0o600)
        self.space.restore()

    def _open(self, vfs: str | None) -> SqliteConnection:
        """The writing connection. One to a store that lacks nothing is had without queueing with those who write."""
        waits = contextlib.nullcontext() if self._is_current() else self._turnstile
        with waits:
            db = connect(self.path, vfs=vfs)
            with _closed_on_error(db.handle.close):
                migrate(db, "sqlite")
            return db

    def _is_current(self) -> bool:
        if not self.path.is_file() or not self.path.stat().st_size:
            return False
        with contextlib.suppress(apsw.ReadOnlyError):  # cut off while it was made: only who writes can put that right
            db = connect(self.path, readonly=True)
            try:
                return is_current(db, "sqlite")
            finally:
                db.handle.close()
        return False

    def transact(self, work: Callable[[SqlLedger], Any]) -> Any:
        """Run `work` in one transaction."""
        return self._with_room(partial(self._once, work))

    def _with_room(self, work: Callable[[], T]) -> T:
        """What `work` gives. On a full disk the ballast goes and it is tried once more."""
        try:
            with translated(self.path):
                return work()
        except StoreFull:
            if not self.space.throw_off():
                raise
        with translated(self.path):
            return work()

    def _once(self, work: Callable[[SqlLedger], Any]) -> Any:
        with self._turnstile:
            execute = self.db.handle.execute
            execute("begin immediate")
            changes = self.db.handle.total_changes()
            is_alone = self._is_alone()
            try:
                ledger = SqlLedger(
                    self.db,
                    now=self._clock.now(),
                    locks=WholeStore(self.db),
                    is_alone=is_alone,
                    **self._options,  # type: ignore[arg-type]
                )
                answer = work(ledger)
                ledger.flush()
                failpoint("commit.before")
                execute("commit")
            except BaseException:
                if self.db.handle.in_transaction:
                    execute("rollback")
                raise
            changed = self.db.handle.total_changes() != changes
            ledger.remember()
        moved = ledger.trees, ledger.has_work
        ledger.release()
        self._committed(changed, *moved)
        return answer

    def _note_size(self, _: apsw.Connection, name: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def rest(self) -> None:
        """Copy the write-ahead log into the database when it is long: between commits, so that nobody waits for it.

        While others write all the time the copy never catches up with them, and the log would grow for ever: if it
        has become too long they do have to wait, once.
        """
        if self._log_pages < CHECKPOINT_PAGES:
            return
        waiting_room = self._turnstile if self._log_pages >= OVERDUE_PAGES else contextlib.nullcontext()
        try:
            with waiting_room:
                self.db.handle.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:
            pass  # another process is copying it
        except (apsw.Error, QuaeroError) as error:
            log.warning("%s: its write-ahead log could not be copied yet: %s", self.path, error)
        self._log_pages = 0

    def _is_alone(self) -> bool:
        """Whether every commit since our last transaction was ours."""
        ((version,),) = self.db.rows("pragma data_version")
        before, self._data_version = self._data_version, version
        return bool(version == before)

    def _committed(self, changed: bool, trees: Collection[int], has_work: bool) -> None:
        """Tell of a commit. Whatever goes wrong here, the answer stands: it must not look as if nothing was written."""
        try:
            failpoint("commit.after")
            if changed:
                self._on_commit(trees, has_work)
        except Exception as error:
            log.warning("%s: a commit could not be told of, it will be found: %s", self.path, error)

    @contextlib.contextmanager
    def reading(self) -> Iterator[SqliteConnection]:
        """This thread's connection, in a transaction that sees one moment."""
        with translated(self.path):
            db: SqliteConnection | None = getattr(self._local, "db", None)
            if db is None:
                db = self._local.db = connect(self.path, readonly=True)
                self._readers.append(db)
            db.handle.execute("begin")
            try:
                yield db
            finally:
                db.handle.execute("commit")

    def now(self, db: Connection) -> int:
        """This machine's time."""
        return self._clock.now()

    def close(self) -> None:
        """Let go of the file and its queue."""
        for db in self._readers:
            db.handle.close()
        self.db.handle.close()
        self._turnstile.close()
