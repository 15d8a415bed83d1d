"""Where a reader stands in a tree's journal, as an opaque token: `<incarnation>.<root>.<seq>`.

A token means "everything up to here was seen". One that is not of this store, or not of this tree, is never an error:
its reader starts again, and is told so (`reset`).
"""

from typing import NamedTuple


class Cursor(NamedTuple):
    """A position: in which life of the store, in which tree, after which entry."""

    incarnation: str
    root_id: int
    seq: int

    @property
    def token(self) -> str:
        """The form that travels."""
        return f"{self.incarnation}.{self.root_id}.{self.seq}"


class Resumed(NamedTuple):
    """Where to read on: after `seq`. `reset`: the token was of another store or tree, so this is a new beginning."""

    seq: int
    reset: bool


def parse_cursor(token: str) -> Cursor | None:
    """The position a token names, None if it is not one of ours."""
    parts = token.rsplit(".", 2)
    if len(parts) != 3 or not parts[0] or not _is_number(parts[1]) or not _is_number(parts[2]):
        return None
    return Cursor(parts[0], int(parts[1]), int(parts[2]))


def resume(token: str | None, *, incarnation: str, root_id: int) -> Resumed:
    """Where a reader with this token goes on in this tree of this store; without one, at the beginning."""
    if not token:
        return Resumed(0, reset=False)
    cursor = parse_cursor(token)
    if cursor is None or cursor.incarnation != incarnation or cursor.root_id != root_id:
        return Resumed(0, reset=True)
    return Resumed(cursor.seq, reset=False)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18
