"""What a feed gives its viewers: parts, each one JSON object of the public interface, encoded once and shared.

SSE writes `chunk`; the WebSocket writes `data` within its envelope. The bytes of a part never depend on its viewer.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

from quaero.gateway.answers import encode
from quaero.gateway.channel import chunk

MAX_PART = 48 * 1024  # bytes of entries in one part: what a viewer who does not read costs, beside its socket's buffer
MAX_ENTRIES = 500
VARIANTS = 8


class Part:
    """One thing to tell. `token` is the cursor of whoever has it, empty for parts that do not move the position.

    `chunk` is it as a server-sent event, in a chunk of its own. JSON has no raw line ends: nothing in it can end a
    field.
    """

    __slots__ = ("_data", "chunk", "kind", "token")

    def __init__(self, kind: str, data: bytes, token: bytes = b"") -> None:
        self.kind = kind
        self.token = token
        head = b"%sevent: %s\ndata: " % (b"id: %s\n" % token if token else b"", kind.encode())
        self.chunk = chunk(b"%s%s\n\n" % (head, data))
        end = len(self.chunk) - len(b"\n\n\r\n")
        self._data = slice(end - len(data), end)

    @property
    def data(self) -> bytes:
        """The JSON alone. What many share is held once, as most take it."""
        return self.chunk[self._data]


def part(kind: str, data: Any, token: bytes = b"") -> Part:
    """A part of any value."""
    return Part(kind, encode(data), token)


@dataclass(slots=True, eq=False)
class Cut:
    """Matching entries of the positions (prev, to], encoded one by one, so that any rest of them can be sent."""

    prev: int
    to: int
    seqs: list[int]
    entries: list[bytes]
    _parts: dict[tuple[int, bool], Part] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes it holds, roughly."""
        return sum(map(len, self.entries)) + 64

    def part(self, sent: int, tree: bytes, has_more: bool = False) -> Part:
        """What a viewer who has everything up to `sent` still lacks; `has_more`: there are older ones it never got."""
        known = self._parts.get((sent, has_more))
        if known is None:
            if len(self._parts) >= VARIANTS:
                self._parts.clear()
            known = self._parts[sent, has_more] = self._encode(sent, tree, has_more)
        return known

    def _encode(self, sent: int, tree: bytes, has_more: bool) -> Part:
        first = bisect_right(self.seqs, sent)
        entries = self.entries[first:] if first else self.entries
        edges = (b"%d" % self.seqs[first], b"%d" % self.seqs[-1]) if entries else (b"null", b"null")
        meta = b'{"displayed_count":%d,"has_more":%s,"oldest_seq":%s,"newest_seq":%s}' % (
            len(entries),
            b"true" if has_more else b"false",
            *edges,
        )
        data = b'{"prev":%d,"to":%d,"logs":[%s],"meta":%s}' % (sent, self.to, b",".join(entries), meta)
        return Part("logs", data, b"%s%d" % (tree, self.to))


def cuts(prev: int, to: int, seqs: list[int], entries: list[bytes]) -> list[Cut]:
    """The positions (prev, to] in pieces of a bounded size; each ends with an entry, the last one at `to`."""
    made: list[Cut] = []
    start = size = 0
    for n, entry in enumerate(entries):
        size += len(entry) + 1
        if n > start and (size > MAX_PART or n - start >= MAX_ENTRIES):
            made.append(Cut(prev, seqs[n - 1], seqs[start:n], entries[start:n]))
            prev, start, size = seqs[n - 1], n, len(entry)
    made.append(Cut(prev, to, seqs[start:], entries[start:]))
    return made
