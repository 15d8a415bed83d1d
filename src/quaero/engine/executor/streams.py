"""What stands in for `sys.stdout` and `sys.stderr`: text written there becomes lines of the job that wrote it.

Standard output is told as `info`, standard error as `warn`. The descriptors 1 and 2 below them are captured apart
(`descriptors.py`), for child programs and C libraries.
"""

import io
from collections.abc import Callable, Iterable
from typing import Any

from quaero.engine.splitter import LineSplitter

Find = Callable[[int], LineSplitter]  # the splitter of the job that runs here, for descriptor 1 or 2


class StreamWriter(io.TextIOBase):
    """A text stream that belongs to whoever writes to it."""

    def __init__(self, descriptor: int, find: Find) -> None:
        self._descriptor = descriptor
        self._find = find
        self._bytes = ByteWriter(descriptor, find)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Always UTF-8."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What cannot be encoded is written out."""
        return "backslashreplace"

    @property
    def name(self) -> str:
        """As Python calls the real one."""
        return "<stdout>" if self._descriptor == 1 else "<stderr>"

    @property
    def mode(self) -> str:
        """For programs that look."""
        return "w"

    @property
    def buffer(self) -> "ByteWriter":
        """The same stream for bytes."""
        return self._bytes

    @property
    def line_buffering(self) -> bool:
        """A line is told when it ends."""
        return True

    def fileno(self) -> int:
        """The real descriptor: what is written there is captured too."""
        return self._descriptor

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str, /) -> int:
        """Take text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._find(self._descriptor).feed(text)
        return len(text)

    def writelines(self, lines: Iterable[str], /) -> None:  # type: ignore[override]
        """Take several texts."""
        for text in lines:
            self.write(text)

    def reconfigure(self, **_: Any) -> None:
        """Change nothing: the encoding is fixed, and every line is told as it ends."""

    def close(self) -> None:
        """Stay open: it is not the caller's to close."""


class ByteWriter(io.RawIOBase):
    """`sys.stdout.buffer`."""

    def __init__(self, descriptor: int, find: Find) -> None:
        self._descriptor = descriptor
        self._find = find

    def fileno(self) -> int:
        """The real descriptor."""
        return self._descriptor

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any, /) -> int:
        """Take bytes."""
        plain = bytes(data)
        self._find(self._descriptor).feed_bytes(plain)
        return len(plain)

    def close(self) -> None:
        """Stay open: it is not the caller's to close."""
