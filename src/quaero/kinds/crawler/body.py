"""Read a body without trusting it: capped on the wire, capped once decoded, capped in ratio.

Decoding is done here, piece by piece with `zlib`, so that no call ever makes more than `PIECE` bytes from its input.
What was read before a cap or a break is kept and the trouble told; nothing here raises for what a server sends.
"""

import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

PIECE = 64 * 1024
DECODED_FACTOR = 4  # decoded bytes allowed per byte of `max_body`
MAX_RATIO = 100  # decoded bytes per wire byte ...
RATIO_FROM = 1 << 20  # ... once this much was decoded: small pages may well be repetitive
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW_DEFLATE = -15


class Trouble(StrEnum):
    """What kept a body from being whole."""

    TOO_LARGE = "too large"
    BOMB = "expands too much"
    CORRUPT = "its compression is broken"
    ENCODING = "an encoding nobody asked for"
    INCOMPLETE = "the connection broke off"
    TOO_SLOW = "too slow"


@dataclass(slots=True)
class Body:
    """What was read: decoded bytes, how many came over the wire, and the trouble if any."""

    content: bytes = b""
    wire: int = 0
    trouble: Trouble | None = None


class Inflater(Protocol):
    """What `zlib.decompressobj` gives."""

    @property
    def unconsumed_tail(self) -> bytes:
        """Input that did not fit the last call."""

    @property
    def unused_data(self) -> bytes:
        """Input behind the end of the stream."""

    @property
    def eof(self) -> bool:
        """Whether the stream came to its end."""

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        """At most `max_length` bytes from `data` (0: any number)."""


class Decoder:
    """Turns wire bytes into content within the caps. Once `feed` has answered a trouble, it must not be fed again."""

    def __init__(self, encoding: str, max_body: int) -> None:
        self.wire = 0
        self._max_wire, self._max_decoded = max_body, max_body * DECODED_FACTOR
        self._encoding = encoding.strip().lower()
        self._pieces: list[bytes] = []
        self._decoded = 0
        self._inflater: Inflater | None = None
        self._members = 0  # compressed streams that came to their end
        self._is_padding = False

    @property
    def known(self) -> bool:
        """Whether the encoding is one we asked for."""
        return self._encoding in ("", "identity") or self._encoding in _WINDOW

    @property
    def content(self) -> bytes:
        """What was decoded so far."""
        return b"".join(self._pieces)

    @property
    def is_complete(self) -> bool:
        """Whether the compressed stream, if it is one, came to its end."""
        return self._inflater is None or self._inflater.eof or self._is_padding

    def feed(self, chunk: bytes) -> Trouble | None:
        """Take the next bytes of the wire."""
        over = self.wire + len(chunk) - self._max_wire
        chunk = chunk[: len(chunk) - over] if over > 0 else chunk
        self.wire += len(chunk)
        trouble = self._keep(chunk) if self._encoding not in _WINDOW else self._inflate(chunk)
        return trouble or (Trouble.TOO_LARGE if over > 0 else None)

    def _keep(self, piece: bytes) -> Trouble | None:
        room = self._max_decoded - self._decoded
        self._pieces.append(piece[:room])
        self._decoded += min(len(piece), room)
        if len(piece) > room:
            return Trouble.TOO_LARGE
        if self._decoded > RATIO_FROM and self._decoded > self.wire * MAX_RATIO:
            return Trouble.BOMB
        return None

    def _inflate(self, data: bytes) -> Trouble | None:
        has_more = True
        while has_more and not self._is_padding:
            inflater = self._inflater_for(data)
            if inflater is None:
                return None
            try:
                piece = inflater.decompress(data, PIECE)
            except zlib.error:
                self._is_padding = self._members > 0  # many servers append a few bytes that are no member
                return None if self._is_padding else Trouble.CORRUPT
            if (trouble := self._keep(piece)) is not None:
                return trouble
            data = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            self._members += inflater.eof
            has_more = bool(data) or (len(piece) == PIECE and not inflater.eof)
        return None

    def _inflater_for(self, data: bytes) -> Inflater | None:
        if self._inflater is None or self._inflater.eof:
            if not data:
                return None
            window = _WINDOW[self._encoding]
            if self._encoding == "deflate" and data[0] & 0x0F != 8:  # some servers leave the zlib header out
                window = _RAW_DEFLATE
            self._inflater = zlib.decompressobj(window)
        return self._inflater
