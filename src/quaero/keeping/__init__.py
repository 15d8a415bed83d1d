"""Looking after a store: check it, mend it, back it up. Beside `quaero.app` the only package that names an adapter.

A check and a backup may run beside workers; a repair queues like any other write; a restore wants the store to itself.
"""

from collections.abc import Callable
from pathlib import Path

from quaero.app import open_store
from quaero.domain.errors import InvalidInput
from quaero.engine.lifecycle.sweep import close_forgotten
from quaero.keeping import files
from quaero.settings import Settings
from quaero.storage.doctor import Finding, repair
from quaero.storage.ledger import SqlLedger
from quaero.storage.port import Ledger
from quaero.storage.sqlstore import NO_DRIVER, is_postgres


def store_name(settings: Settings) -> str:
    """What to call the store: its file, or its database and server. Raises InvalidInput for a URL that names none."""
    if is_postgres(settings.store.url):
        from quaero.keeping import databases

        return databases.name(settings)
    return str(files.store_path(settings))


def exists(settings: Settings) -> bool:
    """Whether there is a store."""
    if is_postgres(settings.store.url):
        from quaero.keeping import databases

        return databases.exists(settings)
    return files.store_path(settings).is_file()


def require_store(settings: Settings) -> None:
    """Raise NotFound, saying how to make one, if there is no store."""
    if is_postgres(settings.store.url):
        from quaero.keeping import databases

        databases.require_store(settings)
    else:
        files.require_store(settings)


def check(settings: Settings) -> list[Finding]:
    """Every violated invariant of the store."""
    if is_postgres(settings.store.url):
        from quaero.keeping import databases

        return databases.check(settings)
    return files.check(settings)


async def mend(settings: Settings) -> None:
    """Recompute from the rows what is derived from them, in one transaction."""
    require_store(settings)
    async with open_store(settings) as store:
        await store.write(_mend)


def _mend(ledger: Ledger) -> None:
    assert isinstance(ledger, SqlLedger)
    ledger.locks.everything()
    repair(ledger.db, "doctor")
    close_forgotten(ledger, limit=1_000_000)


def backup(settings: Settings, target: Path) -> int:
    """Write a whole, compact copy of the store as of now; its size in bytes. Raises Conflict if `target` exists."""
    _require_file(settings, f"pg_dump --format=custom --file={target}")
    return files.backup(settings, target)


def restore(settings: Settings, source: Path, *, replace: bool = False) -> Path | None:
    """Make the store from a backup. With `replace` a store that is there is moved aside, and where to is returned."""
    _require_file(settings, "pg_restore into an empty database")
    return files.restore(settings, source, replace=replace)


def copy(source: str, target: str, tell: Callable[[str], None]) -> int:
    """Copy the embedded store at one URL into the empty PostgreSQL database at another; how many jobs it has.

    Raises InvalidInput for another pair of stores, Conflict when something runs on the source or the target holds
    jobs, StoreUnsafe when the doctor does not find the copy clean: then nothing of it is kept.
    """
    if is_postgres(source) or not is_postgres(target):
        raise InvalidInput("a store is copied from sqlite:///… to postgresql://…")
    try:
        from quaero.keeping import copying
    except ImportError:
        raise InvalidInput(NO_DRIVER) from None
    return copying.copy(source, target, tell)


def _require_file(settings: Settings, instead: str) -> None:
    if is_postgres(settings.store.url):
        raise InvalidInput(
            f"this store is in PostgreSQL, which has its own backups: {instead} (docs: grow to PostgreSQL)"
        )
