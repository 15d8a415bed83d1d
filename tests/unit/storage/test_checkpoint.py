"""The write-ahead log is copied into the database between commits, and stays short."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from quaero.engine.lifecycle.enqueue import enqueue
from quaero.storage import sqlite
from quaero.storage.sqlstore import SqlStore
from quaero.storage.turnstile import Turnstile
from quaero.testing import Bench
from quaero.testing.factories import a_root

pytestmark = pytest.mark.anyio
PAGE = 4_096


async def write_much(bench: Bench, times: int = 60) -> None:
    for n in range(times):
        await bench.store.write(enqueue, [a_root(payload={"text": "x" * 2_000, "n": n}) for _ in range(20)])


async def test_the_log_does_not_grow_with_what_is_written(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", 100)

    await write_much(bench)

    assert (tmp_path / "quaero.db-wal").stat().st_size < 300 * PAGE
    assert (tmp_path / "quaero.db").stat().st_size > 300 * PAGE


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Turnstile]:
    """Of somebody else. Closed after the store, which may still be copying when its last write was answered."""
    turnstile = Turnstile(tmp_path / "quaero.db", patience=0.1)
    yield turnstile
    turnstile.close()


async def test_nobody_else_waits_while_it_is_copied_unless_it_is_overdue(
    beside: Turnstile, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", 100)
    assert isinstance(bench.store, SqlStore)
    writer = bench.store._backend
    assert isinstance(writer, sqlite.SqliteWriter)
    went_in: list[bool] = []

    class Handle:
        """The writer's connection; while it copies, somebody else tries to go in."""

        def wal_checkpoint(self, **options: Any) -> None:
            with beside:
                went_in.append(beside._write._is_held)
            real.wal_checkpoint(**options)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    real = writer.db.handle
    monkeypatch.setattr(writer.db, "handle", Handle())
    await write_much(bench, 20)
    assert went_in
    assert all(went_in)

    went_in.clear()
    monkeypatch.setattr(sqlite, "OVERDUE_PAGES", 0)
    await write_much(bench, 20)
    monkeypatch.undo()

    assert went_in
    assert not any(went_in)


async def test_two_who_want_to_copy_it_at_once_say_nothing_of_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The second one is refused; what it would have done is being done."""
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", 100)
    assert isinstance(bench.store, SqlStore)
    writer = bench.store._backend
    assert isinstance(writer, sqlite.SqliteWriter)
    refused: list[bool] = []

    class Handle:
        """The writer's connection, while another process copies."""

        def wal_checkpoint(self, **options: Any) -> None:
            refused.append(True)
            raise apsw.BusyError("database is locked")

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    real = writer.db.handle
    monkeypatch.setattr(writer.db, "handle", Handle())
    await write_much(bench, 20)
    monkeypatch.undo()

    assert refused
    assert not caplog.records
