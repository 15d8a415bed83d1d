"""The words in which two databases differ: locks on rows, text, JSON, full-text search, upkeep.

Everything else is one SQL text for both. Put behind a query, a lock's words hold its rows until the commit; where
there is one writer at a time they are empty.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from quaero.storage.connection import Connection


class Dialect(Protocol):
    """One database's words."""

    begin_migration: str  # begins a transaction that no other migration overlaps
    tables: str  # a query for the names of all tables
    claimed: str  # rows of nobody else, for this transaction alone; rows others hold are left out
    steady: str  # rows others may hold like this too: they cannot change; rows being changed are left out
    pinned: str  # rows that cannot go away or change their key; waits for whoever removes one

    def holds(self, text: str, q: str) -> tuple[str, list[Any]]:
        """SQL that is true when the expression `text` contains `q` in whatever case, and its parameters."""

    def tagged(self, column: str) -> str:
        """SQL that is true when the JSON array in `column` has the element bound to its one `?`."""

    def field(self, column: str, name: str) -> str:
        """A field of the JSON object in `column`, as text."""

    def search(self, columns: str, only: str) -> str:
        """Documents that hold every word of its first `?`: `columns` and a snippet, best first, up to its last `?`."""

    def words(self, q: str) -> str:
        """The first parameter of `search`: what a person typed, with no operator in it."""

    def last_id(self, db: "Connection") -> int:
        """The highest id ever given."""

    def give_back(self, db: "Connection") -> None:
        """Return a bounded amount of what removed rows took to the file system, where that is not done by itself."""

    def damage(self, db: "Connection") -> Iterator[str]:
        """What the database's own check of its files finds."""
