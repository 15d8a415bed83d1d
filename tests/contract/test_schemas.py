"""The two databases have one schema: the same tables with the same columns in the same order, and the same indexes."""

from pathlib import Path

import pytest
from tests import postgres

from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.sqlite import connect
from quaero.storage.sqlstore import SqlStore

Columns = dict[str, list[str]]


@pytest.fixture
async def sqlite(tmp_path: Path) -> tuple[Columns, set[str]]:
    await SqlStore.open(f"sqlite:///{tmp_path}/quaero.db").close()
    db = connect(tmp_path / "quaero.db", readonly=True)
    rows = db.rows(
        "select t.name, c.name from sqlite_schema t, pragma_table_info(t.name) c where t.type = 'table'"
        " and t.name not like 'document_text%' and t.name not like 'sqlite_%' order by t.name, c.cid"
    )
    indexes = {row[0] for row in db.rows("select name from sqlite_schema where type = 'index' and sql is not null")}
    db.handle.close()
    return grouped(rows), indexes


@pytest.fixture
def other() -> tuple[Columns, set[str]]:
    with postgres.fresh() as url:
        db = PostgresConnection(url)
        rows = db.rows(
            "select table_name::text, column_name::text from information_schema.columns where table_schema = 'public'"
            " and is_generated = 'NEVER' order by table_name, ordinal_position"
        )
        indexes = {row[0] for row in db.rows("select indexname::text from pg_indexes where schemaname = 'public'")}
        db.close()
    return grouped(rows), {name for name in indexes if not name.endswith(("_pkey", "_key_key", "_identity_key"))}


def grouped(rows: list[tuple[str, str]]) -> Columns:
    found: Columns = {}
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return found


@pytest.mark.anyio
async def test_both_databases_have_one_schema(
    sqlite: tuple[Columns, set[str]], other: tuple[Columns, set[str]]
) -> None:
    assert sqlite[0] == other[0]
    assert "b_cancelled" in sqlite[0]["job"]
    assert sqlite[1] ^ other[1] == {"document_words"}
