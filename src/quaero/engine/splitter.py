r"""A stream of text cut into lines, whatever the pieces it comes in.

`\n` and `\r\n` end a line. A lone `\r` starts the line over, as on a terminal, so of a progress bar only the last state
remains. A line that grows beyond the limit is given out in parts, so that what is held is bounded. Bytes that are no
UTF-8 appear as `\xff`.
"""

import codecs
from collections.abc import Callable

from quaero.engine.text import clean, fits, pieces

Emit = Callable[[str, bool], object]  # a line, and whether it continues the one before


class LineSplitter:
    """One stream. `limit` is the longest line in bytes of UTF-8."""

    __slots__ = ("_continued", "_decode", "_emit", "_limit", "_parts", "_size")

    def __init__(self, emit: Emit, limit: int) -> None:
        self._emit = emit
        self._limit = limit
        self._parts: list[str] = []
        self._size = 0
        self._continued = False
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode

    def feed_bytes(self, data: bytes) -> None:
        """Take the next bytes."""
        self.feed(self._decode(data))

    def feed(self, text: str) -> None:
        """Take the next text."""
        if text == "\n":
            self._end("".join(self._parts))
        elif "\n" not in text and "\r" not in text:
            if text:
                self._parts.append(text)
                self._size += len(text)
                if self._size > self._limit:
                    self._give_out()
        else:
            self._feed_lines("".join(self._parts) + text if self._parts else text)

    def finish(self) -> None:
        """Give out a last line that no newline ended."""
        self.feed(self._decode(b"", True))
        if self._parts:
            self._end("".join(self._parts))

    def _feed_lines(self, text: str) -> None:
        *lines, rest = text.split("\n")
        for line in lines:
            self._end(line)
        if "\r" in rest:
            body = rest.rstrip("\r")  # a last \r may be half of a \r\n: it stays until the next text shows
            rest = body.rpartition("\r")[2] + ("\r" if len(body) < len(rest) else "")
        self._parts = [rest] if rest else []
        self._size = len(rest)
        if self._size > self._limit:
            self._give_out()

    def _end(self, line: str) -> None:
        if "\r" in line:
            line = line.rstrip("\r").rpartition("\r")[2]
        if len(line) * 4 <= self._limit or fits(line, self._limit):
            self._emit(line, self._continued)
        else:
            for part in pieces(clean(line), self._limit):
                self._emit(part, self._continued)
                self._continued = True
        self._parts = []
        self._size = 0
        self._continued = False

    def _give_out(self) -> None:
        """Emit all full parts of a line that has not ended, and keep the rest."""
        text = "".join(self._parts)
        kept_return = "\r" if text.endswith("\r") else ""
        *full, rest = pieces(clean(text.rstrip("\r").rpartition("\r")[2]), self._limit)
        for part in full:
            self._emit(part, self._continued)
            self._continued = True
        self._parts = [rest + kept_return]
        self._size = len(rest) + len(kept_return)
