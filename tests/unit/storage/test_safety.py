"""What cannot keep the promises is refused rather than risked: an old SQLite, a file that is no whole store."""

import asyncio
from pathlib import Path

import pytest

from quaero.domain.errors import StoreUnsafe
from quaero.storage.sqlite import check_version
from quaero.storage.sqlstore import SqlStore


@pytest.mark.parametrize("version", ["3.51.2", "3.40.1", "3.7.0"])
def test_a_sqlite_that_can_corrupt_a_wal_is_refused_with_the_remedy(version: str) -> None:
    with pytest.raises(StoreUnsafe, match=rf"SQLite {version} can corrupt .* install a newer apsw"):
        check_version(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "4.0.0", ""])
def test_a_safe_one_is_taken(version: str) -> None:
    check_version(version)


def test_a_store_is_opened_with_the_sqlite_that_was_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("apsw.sqlite_lib_version", lambda: "3.46.1")

    with pytest.raises(StoreUnsafe, match=r"SQLite 3.46.1 can corrupt"):
        SqlStore.open(f"sqlite:///{tmp_path}/quaero.db")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "quaero.db"
    path.write_text("my notes\n" * 1_000)

    with pytest.raises(StoreUnsafe, match=r"is not a whole Quaero store .* restore a backup of it"):
        SqlStore.open(f"sqlite:///{path}")

    assert path.read_text() == "my notes\n" * 1_000


def test_a_damaged_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "quaero.db"
    asyncio.run(SqlStore.open(f"sqlite:///{path}").close())
    data = bytearray(path.read_bytes())
    data[100:4_000] = b"\xff" * 3_900  # the schema's page, header apart
    path.write_bytes(data)

    with pytest.raises(StoreUnsafe, match=r"is not a whole Quaero store"):
        SqlStore.open(f"sqlite:///{path}")
