"""A server that takes no writes (a standby, a primary that was made one) is one that is away: the next may be it."""

import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from tests import postgres

from quaero.domain.errors import StoreUnavailable, StoreUnsafe
from quaero.engine.lifecycle.enqueue import enqueue
from quaero.storage.postgres import writer
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock
from quaero.testing.factories import a_root

pytestmark = pytest.mark.anyio


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.fresh() as url:
        yield url
        take_writes(url, "on")


def take_writes(url: str, answer: str) -> None:
    """Have the database's new sessions take writes or refuse them, and end those there are."""
    name = urlsplit(url).path.lstrip("/")
    with psycopg.connect(postgres.server(), autocommit=True) as db:
        verb = "reset default_transaction_read_only" if answer == "on" else "set default_transaction_read_only = on"
        db.execute(f"alter database {name} {verb}".encode())
        db.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))


async def test_a_server_that_only_reads_is_waited_for_as_one_that_is_gone(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    async with SqlStore.open(url, clock=clock) as store:
        await Bench.set_up(store, clock)
        take_writes(url, "off")
        monkeypatch.setattr(writer, "PATIENCE_SECONDS", 0.5)
        with pytest.raises(StoreUnavailable):
            await store.write(enqueue, [a_root()])
        take_writes(url, "on")

        monkeypatch.setattr(writer, "PATIENCE_SECONDS", 30.0)
        [made] = await store.write(enqueue, [a_root()])

        assert await store.job(made.id) is not None


async def test_a_transaction_whose_number_a_server_has_not_reached_was_not_kept(url: str) -> None:
    """What a standby lacked when it took over is gone: nobody waits for it, and it is told as not written."""
    async with SqlStore.open(url) as store:
        writer: Any = store._backend
        writer._db.close()  # it was lost in the commit
        assert writer._became_of("4000000000000") == "aborted"


async def test_a_transaction_that_is_still_under_way_is_asked_after_on_one_connection(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the server has not noticed yet that who began it is gone."""
    made: list[PostgresConnection] = []
    asked: list[int] = []

    def connect(url: str) -> PostgresConnection:
        made.append(PostgresConnection(url))
        return made[-1]

    async with SqlStore.open(url) as store:
        backend: Any = store._backend
        with psycopg.connect(url) as other:
            begun = other.execute("select pg_current_xact_id()::text").fetchone()
            assert begun is not None
            backend._db.close()
            monkeypatch.setattr(writer, "PostgresConnection", connect)
            monkeypatch.setattr(
                backend, "_pause", lambda run: asked.append(run) or (len(asked) == 3 and other.commit())
            )

            assert backend._became_of(begun[0]) == "committed"

    assert len(asked) == 3
    assert len(made) == 1


def test_a_database_that_holds_other_tables_by_our_names_is_refused() -> None:
    name = f"quaero_{secrets.token_hex(6)}"
    with psycopg.connect(postgres.server(), autocommit=True) as db:
        db.execute(f"create database {name} encoding 'UTF8' template template0".encode())
    with psycopg.connect(postgres.database(name), autocommit=True) as theirs:
        theirs.execute("create table job(id integer)")

    with pytest.raises(StoreUnsafe, match="an empty database"):
        SqlStore.open(postgres.database(name))

    with psycopg.connect(postgres.database(name), autocommit=True) as theirs:
        tables = theirs.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
    with psycopg.connect(postgres.server(), autocommit=True) as db:
        db.execute(f"drop database {name} with (force)".encode())
    assert tables == [("job",)]
