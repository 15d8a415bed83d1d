"""One PostgreSQL connection, in the ledger's words: `?` for parameters, lists as one parameter, plain rows.

Statements are prepared by the driver at their second use, but not behind a pooler that would mix them up. Nothing else
here lives longer than a transaction: no settings, no temporary tables.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper, NumericBinaryLoader

from quaero.domain.bounds import LINK_SECONDS
from quaero.storage.connection import Row
from quaero.storage.postgres.arrays import (
    Blobs,
    BlobsDumper,
    Ints,
    IntsDumper,
    TextDumper,
    Texts,
    TextsDumper,
)
from quaero.storage.postgres.bulk import Bulk, Columns, translate
from quaero.storage.postgres.greeting import greet
from quaero.storage.postgres.words import PostgresWords

# a host that vanished is noticed; the system alone would wait for a quarter of an hour, or for ever. The URL may differ
LINK: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": LINK_SECONDS // 3,
    "keepalives_interval": LINK_SECONDS // 3,
    "keepalives_count": 2,
    "tcp_user_timeout": LINK_SECONDS * 1_000,
}
LONG = 4_000  # characters; a statement of more lists ids, and is never sent again
NAME = "quaero"  # under which the server lists our sessions


class _WholeNumber(NumericBinaryLoader):
    """Sums of `bigint` are `numeric`; all of ours are whole."""

    def load(self, data: Any) -> Any:
        """The integer."""
        return int(super().load(data))


class _Context:
    """How values of ours travel."""

    connection = None

    def __init__(self, adapters: AdaptersMap) -> None:
        self.adapters = adapters


@cache
def _context() -> _Context:
    adapters = AdaptersMap(psycopg.adapters)
    for kind, dumper in (
        (int, Int8BinaryDumper),  # one type for all, or each statement would be prepared in many versions
        (str, TextDumper),
        (Ints, IntsDumper),
        (Texts, TextsDumper),
        (Blobs, BlobsDumper),
    ):
        adapters.register_dumper(kind, dumper)
    adapters.register_loader("numeric", _WholeNumber)
    return _Context(adapters)


class PostgresConnection:
    """Implements `storage.connection.Connection` over psycopg. Raises StoreUnsafe for a server that is not fit."""

    def __init__(self, url: str) -> None:
        self.handle = psycopg.connect(
            make_conninfo(**{**LINK, **conninfo_to_dict(url)}),
            autocommit=True,
            prepare_threshold=1,
            application_name=NAME,
            context=_context(),
        )
        self.handle.add_notify_handler(_not_for_us)
        try:
            greeting = greet(self.handle)
        except BaseException:
            self.handle.close()
            raise
        if not greeting.prepares:
            self.handle.prepare_threshold = None
        self.dialect = PostgresWords(greeting.collation)
        self._cursor = psycopg.RawCursor(self.handle)
        self._is_pipelined = False
        self._columns: Columns | None = None
        self._bulks: dict[str, Bulk | None] = {}

    @property
    def is_open(self) -> bool:
        """Whether this connection can still be used."""
        return not self.handle.closed

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is under way or has failed."""
        return self.handle.info.transaction_status != TransactionStatus.IDLE

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        return self._execute(_numbered(sql), params, binary=True).fetchall()

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """A statement; the number of rows it changed."""
        return self._execute(_numbered(sql), params).rowcount

    def _execute(self, sql: bytes, params: Sequence[Any], *, binary: bool = False) -> "psycopg.RawCursor[Row]":
        cursor = psycopg.RawCursor(self.handle) if self._is_pipelined else self._cursor
        return cursor.execute(sql, params, binary=binary)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Statements travel together; one that fails raises at the next query, or at the end of the block."""
        if self._is_pipelined:
            yield
            return
        self._is_pipelined = True
        try:
            with self.handle.pipeline():
                yield
        finally:
            self._is_pipelined = False

    def run_many(self, sql: str, params: Iterable[Sequence[Any]]) -> int:
        """A statement once for each set of parameters; the rows changed in all."""
        rows = params if isinstance(params, list) else list(params)
        if not rows:
            return 0
        if sql not in self._bulks:
            self._bulks[sql] = translate(sql, self._types())
        bulk = self._bulks[sql]
        if bulk is None:
            with self.together():
                for row in rows:
                    self._execute(_numbered(sql), row)
            return len(rows)
        return self._execute(bulk.encoded, bulk.lists(rows)).rowcount

    def insert_numbered(
        self, table: str, own: Sequence[str], first: int, column: str, texts: Sequence[bytes], shared: Mapping[str, Any]
    ) -> None:
        """Insert a row for each text."""
        names = (*own, column, *shared)
        values = tuple(shared.values())
        sql = f"insert into {table}({', '.join(names)}) values({', '.join('?' * len(names))})"
        self.run_many(sql, [(*[n] * len(own), text, *values) for n, text in enumerate(texts, first)])

    def script(self, sql: str) -> None:
        """Several statements without parameters."""
        self.handle.execute(sql.encode())

    def last_of(self, sql: str) -> int:
        """What the last of several statements without parameters, sent as one message, answers: a number."""
        answer = 0
        for result in self.handle.execute(sql.encode()).results():
            row = result.fetchone() if result.description is not None else None
            answer = row[0] if row is not None else answer
        return answer

    @contextlib.contextmanager
    def copy_into(self, table: str, columns: str) -> Iterator[Callable[[Sequence[Any]], None]]:
        """A function that takes one row after the other into a table."""
        with self._cursor.copy(f"copy {table}({columns}) from stdin".encode()) as copy:
            yield copy.write_row

    def member(self, column: str) -> str:
        """SQL for membership in a bound list."""
        return f"{column} = any(?)"

    def array(self, values: Iterable[int | str]) -> Ints | Texts:
        """The bound list."""
        found = list(values)
        return Texts(found) if found and isinstance(found[0], str) else Ints(found)  # type: ignore[arg-type]

    def new_ids(self, n: int) -> int:
        """The first of `n` consecutive ids."""
        ((first,),) = self.rows("select take_ids(?)", (n,))
        return int(first)

    def _types(self) -> Columns:
        if self._columns is None:
            found: dict[str, dict[str, str]] = {}
            for table, column, kind in self.rows(
                "select c.relname, a.attname, format_type(a.atttypid, null) from pg_class c"
                " join pg_attribute a on a.attrelid = c.oid where c.relkind = 'r' and a.attnum > 0"
                " and not a.attisdropped and pg_table_is_visible(c.oid)"
                " and c.relnamespace <> 'pg_catalog'::regnamespace order by c.oid, a.attnum"
            ):
                found.setdefault(table, {})[column] = kind
            self._columns = found
        return self._columns

    def close(self) -> None:
        """Let go of the server."""
        self.handle.close()


def _not_for_us(_: psycopg.Notify) -> None:
    """A pooler may lend a session in which another client listened; the driver would keep what is heard for ever."""


def _numbered(sql: str) -> bytes:
    """`?`s as `$1`, `$2`, ...; none of our statements has a question mark of its own."""
    return _number(sql) if len(sql) > LONG else _remembered(sql)


def _number(sql: str) -> bytes:
    first, *others = sql.split("?")
    return "".join((first, *(f"${n}{part}" for n, part in enumerate(others, 1)))).encode()


_remembered = lru_cache(1_000)(_number)
