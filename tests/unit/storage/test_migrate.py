"""A store is brought to this program's schema once, whole or not at all, and a stranger's is refused."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from quaero.domain.errors import StoreUnsafe
from quaero.storage import migrate as migrations
from quaero.storage.migrate import migrate, scripts
from quaero.storage.sqlite import connect
from quaero.storage.sqliteconnection import SqliteConnection


@pytest.fixture
def db(tmp_path: Path) -> Iterator[SqliteConnection]:
    raw = connect(tmp_path / "quaero.db")
    yield raw
    raw.handle.close()


def schema(db: SqliteConnection) -> list[tuple[object, ...]]:
    return db.rows("select type, name, sql from sqlite_schema order by name")


def test_migrations_are_numbered_in_order() -> None:
    names = [name for name, _ in scripts("sqlite")]
    assert names
    assert [int(name.split("_")[0].removesuffix(".sql")) for name in names] == list(range(1, len(names) + 1))


def test_a_new_store_gets_everything_and_a_name_of_its_own(db: SqliteConnection, tmp_path: Path) -> None:
    migrate(db, "sqlite")
    assert [row[0] for row in db.rows("select name from migration")] == [name for name, _ in scripts("sqlite")]
    assert db.rows("select value from meta where key = 'last_id'") == [("0",)]
    other = connect(tmp_path / "other.db")
    migrate(other, "sqlite")
    name = "select value from meta where key = 'incarnation'"
    assert db.rows(name) != other.rows(name)
    other.handle.close()


def test_migrating_again_changes_nothing(db: SqliteConnection) -> None:
    migrate(db, "sqlite")
    before = schema(db), db.rows("select * from meta"), db.rows("select * from migration")
    migrate(db, "sqlite")
    assert (schema(db), db.rows("select * from meta"), db.rows("select * from migration")) == before


def test_a_store_of_a_newer_program_is_refused(db: SqliteConnection) -> None:
    migrate(db, "sqlite")
    db.run("insert into migration values('9999_later.sql', 'x')")
    with pytest.raises(StoreUnsafe, match=r"newer Quaero \(9999_later.sql\): upgrade this program"):
        migrate(db, "sqlite")
    assert not db.handle.in_transaction


def test_an_altered_migration_is_refused(db: SqliteConnection) -> None:
    migrate(db, "sqlite")
    db.run("update migration set checksum = 'x'")
    with pytest.raises(
        StoreUnsafe, match=r"another build of Quaero \(0001_first.sql differs\): use that build, or name"
    ):
        migrate(db, "sqlite")
    assert not db.handle.in_transaction


def test_only_what_is_new_is_applied(db: SqliteConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(db, "sqlite")
    more = [*scripts("sqlite"), ("9999_more.sql", "create table more(n integer); insert into more values(7);")]
    monkeypatch.setattr(migrations, "scripts", lambda dialect: more)
    migrate(db, "sqlite")
    migrate(db, "sqlite")
    assert db.rows("select n from more") == [(7,)]


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    db: SqliteConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(db, "sqlite")
    before = schema(db), db.rows("select * from migration")
    more = [*scripts("sqlite"), ("9999_bad.sql", "create table more(n integer); create table more(n integer);")]
    monkeypatch.setattr(migrations, "scripts", lambda dialect: more)
    with pytest.raises(apsw.SQLError):
        migrate(db, "sqlite")
    assert (schema(db), db.rows("select * from migration")) == before
    assert not db.handle.in_transaction
