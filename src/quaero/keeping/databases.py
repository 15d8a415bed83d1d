"""Looking after a store in PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager

from quaero.clock import SystemClock
from quaero.domain.errors import NotFound
from quaero.settings import Settings
from quaero.storage.doctor import Finding, examine
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.postgres.trouble import named, translated


def name(settings: Settings) -> str:
    """The database and its server."""
    return named(settings.store.url)


@contextmanager
def _opened(settings: Settings) -> Iterator[PostgresConnection]:
    """A connection that sees one moment, for the length of a block."""
    with translated(name(settings)):
        db = PostgresConnection(settings.store.url)
        try:
            db.run("begin isolation level repeatable read read only")
            yield db
        finally:
            db.close()


def exists(settings: Settings) -> bool:
    """Whether there is a store in the database."""
    with _opened(settings) as db:
        return bool(db.rows("select 1 where to_regclass('meta') is not null and to_regclass('job') is not null"))


def require_store(settings: Settings) -> None:
    """Raise NotFound saying how to make one."""
    if not exists(settings):
        raise NotFound(
            f"there is no store in {name(settings)}: name another with --store, or make it with `quaero init`"
        )


def check(settings: Settings) -> list[Finding]:
    """Every violated invariant of the store."""
    require_store(settings)
    with _opened(settings) as db:
        return examine(db, SystemClock().now())
