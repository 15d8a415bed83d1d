"""SQLite's words where they differ from PostgreSQL's."""

from collections.abc import Iterator
from typing import Any

from quaero.storage.connection import Connection

LOWER = "unicode_lower"  # a function of ours, which every connection has
PAGES_FREED = 1_000  # pages of removed trees given back to the file system in one call


class SqliteWords:
    """Implements `storage.dialect.Dialect`. One transaction writes at a time, so no row needs a lock of its own."""

    begin_migration = "begin immediate"
    tables = "select name from sqlite_schema where type = 'table'"
    claimed = steady = pinned = ""

    def holds(self, text: str, q: str) -> tuple[str, list[Any]]:
        """True when the expression `text` contains `q`, whatever its case. SQLite's own `lower` knows ASCII only."""
        return f"instr({'lower' if q.isascii() else LOWER}({text}), ?) > 0", [q.lower()]

    def tagged(self, column: str) -> str:
        """True when the JSON array in `column` has the element bound to its one `?`."""
        return f"exists (select 1 from json_each({column}) where value = ?)"

    def field(self, column: str, name: str) -> str:
        """A field of the JSON object in `column`, as text."""
        return f"json_extract({column}, '$.{name}')"

    def search(self, columns: str, only: str) -> str:
        """Documents that hold every word of its first `?`, best first, up to its last `?`."""
        return (
            f"select {columns}, snippet(document_text, 1, '', '', '…', 24) from document_text"
            f" join document on document.id = document_text.rowid where document_text match ? {only}"
            " order by rank limit ?"
        )

    def words(self, q: str) -> str:
        """A full-text query in which nothing a person types is an operator."""
        words = q.replace("\0", " ").split()  # a query ends at a zero byte
        return " ".join('"' + word.replace('"', '""') + '"' for word in words) or '""'

    def last_id(self, db: Connection) -> int:
        """The highest id ever given."""
        ((last,),) = db.rows("select cast(value as integer) from meta where key = 'last_id'")
        return int(last)

    def give_back(self, db: Connection) -> None:
        """Free pages at the end of the file go."""
        db.rows(f"pragma incremental_vacuum({PAGES_FREED})")

    def damage(self, db: Connection) -> Iterator[str]:
        """What the database's own check finds."""
        for (message,) in db.rows("pragma integrity_check(20)"):
            if message != "ok":
                yield str(message)
