"""What a transaction needs of a database; `dialect` has the words in which two databases differ.

Scripts and the ledger are one text for SQLite and PostgreSQL: parameters are `?`, a list of numbers is one parameter
made by `array` and matched by what `member` says. Nothing here knows what a job is.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from quaero.storage.dialect import Dialect

Row = tuple[Any, ...]


class Connection(Protocol):
    """One database connection, used by one thread at a time."""

    @property
    def dialect(self) -> Dialect:
        """The words of this database."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """A statement; the number of rows it changed."""

    def run_many(self, sql: str, params: Iterable[Sequence[Any]]) -> int:
        """A statement once for each set of parameters; the rows changed in all."""

    def insert_numbered(
        self, table: str, own: Sequence[str], first: int, column: str, texts: Sequence[bytes], shared: Mapping[str, Any]
    ) -> None:
        """Insert a row for each text (UTF-8): its `own` columns hold its number, counted up from `first`, `column` the
        text as bytes, all others what they `share`."""

    def together(self) -> AbstractContextManager[None]:
        """A block of statements of whose answers nobody waits for more than a query's: they may travel together."""

    def member(self, column: str) -> str:
        """SQL that is true when `column` is in the list bound to its one `?`."""

    def array(self, values: Iterable[int | str]) -> Any:
        """The parameter that binds a list for `member`."""

    def script(self, sql: str) -> None:
        """Several statements without parameters."""

    def new_ids(self, n: int) -> int:
        """The first of `n` consecutive ids, above every id ever given."""
