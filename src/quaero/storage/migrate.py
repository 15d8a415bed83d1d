"""Schema changes: numbered SQL files, each applied once, in order, in one transaction with its record.

A file that was applied must never change afterwards: its checksum is kept and compared at every start.
"""

import contextlib
import hashlib
import secrets
from importlib import resources

from quaero.domain.errors import StoreUnsafe
from quaero.storage.connection import Connection


def scripts(dialect: str) -> list[tuple[str, str]]:
    """(name, SQL text) of every migration of a dialect, in order."""
    folder = resources.files("quaero.storage") / "migrations" / dialect
    return [
        (file.name, file.read_text())
        for file in sorted(folder.iterdir(), key=lambda f: f.name)
        if file.name.endswith(".sql")
    ]


def migrate(db: Connection, dialect: str) -> None:
    """Bring a store to this program's schema. Raises StoreUnsafe for one that a newer or altered program made.

    A store that lacks nothing is only read: whoever opens it waits for nobody who writes.
    """
    if is_current(db, dialect):
        return
    db.script(db.dialect.begin_migration)
    try:
        _apply(db, dialect)
    except BaseException:
        with contextlib.suppress(Exception):  # a disk that failed has rolled it back already: say that, not this
            db.run("rollback")
        raise
    db.run("commit")


def is_current(db: Connection, dialect: str) -> bool:
    """Whether there is nothing to do. It takes no lock. Raises StoreUnsafe as `migrate` does."""
    return _is_tabled(db) and not _missing(db, dialect) and _is_named(db)


def _is_tabled(db: Connection) -> bool:
    return ("migration",) in db.rows(db.dialect.tables)


def _is_named(db: Connection) -> bool:
    return bool(db.rows("select 1 from meta where key = 'incarnation'"))


def _missing(db: Connection, dialect: str) -> list[tuple[str, str, str]]:
    """(name, SQL, checksum) of what was not applied yet. Raises StoreUnsafe if other things were."""
    applied: dict[str, str] = dict(db.rows("select name, checksum from migration"))
    known = [(name, sql, hashlib.sha256(sql.encode()).hexdigest()) for name, sql in scripts(dialect)]
    strangers = set(applied) - {name for name, _, _ in known}
    if strangers:
        raise StoreUnsafe(
            f"this store was made by a newer Quaero ({', '.join(sorted(strangers))}): upgrade this program"
        )
    for name, _, checksum in known:
        if applied.get(name, checksum) != checksum:
            raise StoreUnsafe(
                f"this store was made by another build of Quaero ({name} differs): use that build, or name a new store"
            )
    return [one for one in known if one[0] not in applied]


def _apply(db: Connection, dialect: str) -> None:
    if not _is_tabled(db):  # asked first: whoever may only use a store makes nothing
        db.run("create table migration(name text primary key, checksum text not null)")
    for name, sql, checksum in _missing(db, dialect):
        db.script(sql)
        db.run("insert into migration(name, checksum) values(?, ?)", (name, checksum))
    if not _is_named(db):
        db.run("insert into meta(key, value) values('incarnation', ?), ('last_id', '0')", (secrets.token_hex(4),))
