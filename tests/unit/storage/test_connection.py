"""What every connection of ours has set."""

import apsw
import pytest

from quaero.storage.sqliteconnection import SqliteConnection

pytestmark = pytest.mark.anyio


async def test_statements_keep_their_plans_whatever_is_bound(db: SqliteConnection) -> None:
    """Prepared anew for every value, a look at what is due costs ten times as much."""
    assert db.handle.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, -1) == 1


async def test_a_commit_is_on_the_disk(db: SqliteConnection) -> None:
    assert db.rows("pragma synchronous") == [(2,)]
    assert db.rows("pragma journal_mode") == [("wal",)]
