"""One statement for many rows: the ledger's "this, once for each set of parameters" becomes a join with lists.

    insert into t(a, b) values(?, ?)    insert into t(a, b) select * from unnest($1::bigint[], $2::text[])
    update t set a = ? where id = ?     update t set a = v.p0 from unnest($1::text[], $2::bigint[]) v(p0, p1) where ...

What has another shape is executed row by row. Rows are met in the order they are given in, so whoever sorts them locks
them in that order.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from quaero.storage.postgres.arrays import Array, Blobs, Ints, Texts

Columns = Mapping[str, Mapping[str, str]]
"""Types by column, by table, in the order of the columns."""

_INSERT = re.compile(r"insert into (\w+)(?:\(([\w, ]+)\))? values\(\?(?:, \?)*\)$")
_UPDATE = re.compile(r"update (\w+) set (.+) where (\w+) ?= ?\?$")
_SET = re.compile(r"(\w+) ?= ?(?:(\?)|\1 \+ (\?|1)|\d+|null)$")
_INTS = ("smallint", "integer", "bigint")


class Bulk:
    """A statement over lists, one for each parameter of the statement for one row."""

    def __init__(self, sql: str, makers: list[Callable[[Sequence[Any]], Array]]) -> None:
        self.sql = sql
        self.encoded = sql.encode()
        self._makers = makers

    def lists(self, rows: Iterable[Sequence[Any]]) -> list[Array]:
        """The parameters."""
        columns = zip(*rows, strict=True)
        return [make(values) for make, values in zip(self._makers, columns, strict=True)]


def translate(sql: str, columns: Columns) -> Bulk | None:
    """The statement over lists; None for a shape that has none."""
    if found := _INSERT.match(sql):
        table, names = found[1], found[2]
        of = names.split(", ") if names else list(columns[table])
        types = [columns[table][name] for name in of]
        return Bulk(f"insert into {table}({', '.join(of)}) select * from {_unnested(types)}", _makers(types))
    if found := _UPDATE.match(sql):
        table, moves, key = found[1], found[2].split(", "), found[3]
        parts = [_SET.match(move) for move in moves]
        if all(parts):
            bound = [part[1] for part, move in zip(parts, moves, strict=True) if part and move.endswith("?")]
            types = [columns[table][name] for name in (*bound, key)]
            numbers = itertools.count()
            sets = re.sub(r"\?", lambda _: f"v.p{next(numbers)}", found[2])
            sets = re.sub(r"(\w+) ?= ?\1 \+", rf"\1 = {table}.\1 +", sets)
            values = ", ".join(f"p{n}" for n in range(len(types)))
            where = f"{table}.{key} = v.p{len(bound)}"
            return Bulk(
                f"update {table} set {sets} from {_unnested(types)} as v({values}) where {where}", _makers(types)
            )
    return None


def _unnested(types: list[str]) -> str:
    lists = {"text": "text[]", "bytea": "bytea[]"}
    parameters = [f"${n}::{lists.get(kind, 'bigint[]')}" for n, kind in enumerate(types, 1)]
    return f"unnest({', '.join(parameters)})"


def _makers(types: list[str]) -> list[Callable[[Sequence[Any]], Array]]:
    makers: dict[str, Callable[[Sequence[Any]], Array]] = {"text": Texts, "bytea": Blobs, **dict.fromkeys(_INTS, Ints)}
    return [makers[t] for t in types]
