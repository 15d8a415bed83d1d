"""PostgreSQL's words where they differ from SQLite's."""

import unicodedata
from collections.abc import Iterator
from typing import Any

from quaero.storage.connection import Connection


class PostgresWords:
    """Implements `storage.dialect.Dialect`. `collation`: what knows letters beyond ASCII, if the database does not."""

    tables = "select tablename::text from pg_tables where schemaname = any(current_schemas(false))"
    begin_migration = "begin; select pg_advisory_xact_lock(7095313245570)"
    claimed = " for update skip locked"
    steady = " for share skip locked"
    pinned = " for key share"

    def __init__(self, collation: str) -> None:
        self._collation = f" collate {collation}" if collation else ""

    def holds(self, text: str, q: str) -> tuple[str, list[Any]]:
        """True when the expression `text` contains `q`, whatever its case."""
        by = "" if q.isascii() else self._collation
        return f"strpos(lower(({text}){by}), lower(?{by})) > 0", [q]

    def tagged(self, column: str) -> str:
        """True when the JSON array in `column` has the element bound to its one `?`."""
        return f"{_readable(column)}::jsonb @> to_jsonb(?::text)"

    def field(self, column: str, name: str) -> str:
        """A field of the JSON object in `column`, as text."""
        text = _readable(f"convert_from({column}, 'UTF8')")
        return f"({text}::json ->> '{name}')"

    def search(self, columns: str, only: str) -> str:
        """Documents that hold every word of its first `?`, best first, up to its last `?`."""
        options = 'StartSel="", StopSel="", MaxWords=24, MinWords=8'
        return (
            f"select {columns}, ts_headline('simple', document.text, query, '{options}')"
            " from plainto_tsquery('simple', ?) query join document on document.words @@ query"
            f" where true {only} order by ts_rank(document.words, query) desc, document.id limit ?"
        )

    def words(self, q: str) -> str:
        """What was typed, accents left out, as they are where documents are indexed."""
        return "".join(c for c in unicodedata.normalize("NFD", q) if not unicodedata.combining(c))

    def last_id(self, db: Connection) -> int:
        """The highest id ever given."""
        ((last,),) = db.rows("select case when is_called then last_value else 0 end from job_id")
        return int(last)

    def give_back(self, db: Connection) -> None:
        """Autovacuum does it."""

    def damage(self, db: Connection) -> Iterator[str]:
        """What `amcheck` finds in the indexes, if that extension is there, and pages with a wrong checksum."""
        ((failures,),) = db.rows(
            "select coalesce(checksum_failures, 0) from pg_stat_database where datname = current_database()"
        )
        if failures:
            yield f"{failures} pages with a wrong checksum were read"
        if db.rows("select 1 from pg_extension where extname = 'amcheck'"):
            for (problem,) in db.rows(_CHECK_INDEXES):
                yield str(problem)


_CHECK_INDEXES = """
select format('index %s of table %s is not valid', i.indexrelid::regclass, i.indrelid::regclass)
from pg_index i join pg_class c on c.oid = i.indrelid
where pg_table_is_visible(c.oid) and c.relnamespace <> 'pg_catalog'::regnamespace and not i.indisvalid
"""


def _readable(json: str) -> str:
    """JSON without zero characters: PostgreSQL would refuse to look into it, whatever was asked for."""
    return rf"replace({json}, '\u0000', '\ufffd')"
