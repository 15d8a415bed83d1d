"""Lists as one parameter each, in PostgreSQL's binary form, made by one call per list instead of one per element.

A commit binds tens of thousands of numbers. psycopg's own lists cost about half a microsecond an element, these a
tenth.
"""

import struct
from collections.abc import Sequence

from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

INT, TEXT, BYTES = 20, 25, 17  # types of elements, as the server numbers them
_NULL = b"\xff\xff\xff\xff"
_header = struct.Struct(">iiIii").pack
_int = struct.Struct(">iq").pack
_length = struct.Struct(">i").pack


class Array:
    """A list, encoded."""

    __slots__ = ("data",)

    def __init__(self, element: int, data: bytes, n: int, *, nulls: bool) -> None:
        self.data = _header(1, nulls, element, n, 1) + data if n else struct.pack(">iiI", 0, 0, element)


class Ints(Array):
    """A `bigint[]`."""

    __slots__ = ()

    def __init__(self, values: Sequence[int | None]) -> None:
        n = len(values)
        try:
            flat: list[int | None] = [8] * (2 * n)
            flat[1::2] = values
            super().__init__(INT, struct.pack(">" + "iq" * n, *flat), n, nulls=False)
        except struct.error:
            data = b"".join([_NULL if value is None else _int(8, value) for value in values])
            super().__init__(INT, data, n, nulls=True)


class Texts(Array):
    """A `text[]`."""

    __slots__ = ()

    def __init__(self, values: Sequence[str | None]) -> None:
        encoded = [None if value is None else _plain(value).encode() for value in values]
        super().__init__(TEXT, _joined(encoded), len(values), nulls=True)


class Blobs(Array):
    """A `bytea[]`."""

    __slots__ = ()

    def __init__(self, values: Sequence[bytes | None]) -> None:
        super().__init__(BYTES, _joined(values), len(values), nulls=True)


def _joined(values: Sequence[bytes | None]) -> bytes:
    parts: list[bytes] = []
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            parts += (_length(len(value)), value)
    return b"".join(parts)


def _plain(text: str) -> str:
    """PostgreSQL keeps no zero characters in text."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        """It is encoded already."""
        return obj.data


class IntsDumper(_ArrayDumper):
    """Sends `Ints`."""

    oid = 1016


class TextsDumper(_ArrayDumper):
    """Sends `Texts`."""

    oid = 1009


class BlobsDumper(_ArrayDumper):
    """Sends `Blobs`."""

    oid = 1001


class TextDumper(Dumper):
    """Sends a string as text, whatever is in it."""

    oid = TEXT

    def dump(self, obj: str) -> Buffer:
        """Zero characters become replacement characters."""
        return _plain(obj).encode()
