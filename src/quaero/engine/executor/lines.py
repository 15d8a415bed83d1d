"""The log lines of one job on their way out: collected cheaply, packed now and then, capped.

Secrets are masked when lines are packed. A line longer than allowed becomes several, marked as continued. A job that
writes more than its cap keeps the start and the last 1 MiB; between them stands how many lines are missing. Adding
takes no lock: this is the hot path of every log call.
"""

from collections import deque
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from quaero.domain.bounds import LOG_TAIL_KEPT
from quaero.domain.entries import Level, Originator
from quaero.engine.masking import Mask
from quaero.engine.protocol import Task
from quaero.engine.text import clean, fits, pieces

CHUNK_BYTES = 64 * 1024  # packed at once when so much is pending
FACT_BYTES = 512 * 1024
LINE_OVERHEAD = 16
CONTINUED = {"continued": True}

Packed = tuple[Any, ...]  # (at, level, message) or with fields: a `Line` as it goes over the wire

_encode = msgspec.msgpack.Encoder(enc_hook=str).encode


class Sink(Protocol):
    """Where buffers of one executor send what they packed."""

    max_line: int
    cap: int  # bytes of log per attempt
    mask: Mask

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held while packing, so that packs of one owner keep their order."""

    def tell(
        self, owner: Task | None, count: int, levels: int, first_at: int, last_at: int, body: bytes, originator: int
    ) -> None:
        """Take lines: whose, how many, a mask of their levels, first and last time, the body, the originator."""

    def mark(self, lines: "LineBuffer") -> None:
        """A buffer has something to pack; said once until it is packed."""


class LineBuffer:
    """The lines of one task, or with no owner those nobody owns. An owner's are capped."""

    # No slots: defaults stand on the class, so that a buffer for a single line is made quickly.
    is_closed = False
    _marked = False
    _size = 0  # of what is pending
    _kept = 0  # of what was told
    _ring: deque[Packed] | None = None
    _ring_size = 0
    _uncounted = 0  # lines beyond the cap

    def __init__(self, sink: Sink, owner: Task | None) -> None:
        self._sink = sink
        self._owner = owner
        self._pending: list[Packed] = []
        self._surely_fits = sink.max_line // 4
        self._trigger = CHUNK_BYTES if owner is None else min(CHUNK_BYTES, sink.cap)

    def add(self, at: int, level: int, message: str, fields: dict[str, Any] | None = None) -> None:
        """Add a line; `at` in microseconds since the epoch. Any thread may."""
        if len(message) > self._surely_fits or "\0" in message:
            return self._add_odd(at, level, message, fields)
        self._pending.append((at, level, message) if fields is None else (at, level, message, fields))
        self._size += len(message) + LINE_OVERHEAD
        if self._size >= self._trigger or not self._marked:
            self._added()
        return None

    def _add_odd(self, at: int, level: int, message: str, fields: dict[str, Any] | None) -> None:
        message = self._sink.mask.text(clean(message))  # whole: a cut could part a secret
        parts = [message] if fits(message, self._sink.max_line) else pieces(message, self._sink.max_line)
        for part in parts:
            self._pending.append((at, level, part) if fields is None else (at, level, part, fields))
            self._size += len(part) + LINE_OVERHEAD
            fields = CONTINUED if fields is None else {**fields, **CONTINUED}
        self._added()

    def _added(self) -> None:
        if self._size >= self._trigger and not self.is_closed:
            with self._sink.lock:
                if not self.is_closed:  # it may have been closed while this thread waited
                    self.pack()
                    return
        if not self._marked:
            self._marked = True
            self._sink.mark(self)

    def pack(self) -> None:
        """Tell what is pending. Callers hold the lock, so that two packs of one owner keep their order."""
        room = self._sink.cap - self._kept
        size = self._size
        lines = self.take()
        if self._ring is None and self._owner is not None:
            if size > room:
                fitting = _fitting(lines, room)
                self._tell_all(lines[:fitting], room)
                lines = lines[fitting:]
                self._ring = deque()
                self._trigger = CHUNK_BYTES
            else:
                self._trigger = max(1, min(CHUNK_BYTES, room - size))
        if self._ring is not None:
            self._keep_last(self._ring, lines)
        else:
            self._tell_all(lines, size)

    def take(self) -> list[Packed]:
        """What is pending, no longer so. Lines added meanwhile stay."""
        self._marked = False
        count = len(self._pending)
        lines = self._pending[:count]
        del self._pending[:count]
        self._kept += self._size
        self._size = 0
        return lines

    def close(self) -> None:
        """Tell everything, with what the cap cut. Callers hold the lock."""
        self.is_closed = True
        self.pack()
        if not self._ring:
            return
        ring, self._ring = list(self._ring), None
        if lost := self._uncounted - len(ring):
            words = f"{lost:,} lines are missing here: this attempt wrote more than it may keep"
            self._tell([(ring[0][0], Level.WARN, words, {"lost": lost})], Originator.SYSTEM)
        self._tell_all(ring, self._ring_size)

    def _keep_last(self, ring: deque[Packed], lines: list[Packed]) -> None:
        self._uncounted += len(lines)
        ring.extend(lines)
        self._ring_size += sum(len(line[2]) + LINE_OVERHEAD for line in lines)
        while self._ring_size > LOG_TAIL_KEPT and ring:
            self._ring_size -= len(ring.popleft()[2]) + LINE_OVERHEAD

    def _tell_all(self, lines: list[Packed], size: int) -> None:
        """Tell lines in portions that fit a frame: one call may have brought any number of them."""
        while size > FACT_BYTES and len(lines) > 1:
            portion = max(1, _fitting(lines, FACT_BYTES))
            size -= sum(len(line[2]) + LINE_OVERHEAD for line in lines[:portion])
            self._tell(lines[:portion])
            lines = lines[portion:]
        if lines:
            self._tell(lines)

    def _tell(self, lines: list[Packed], originator: int = Originator.WORKER) -> None:
        levels = 1 << lines[0][1]
        if len(lines) > 1:
            for level in {line[1] for line in lines}:
                levels |= 1 << level
        first, last = lines[0][0], lines[-1][0]
        if first > last:  # the clock was set back, or threads overtook each other
            first, last = last, first
        body = encode_lines(lines)
        if self._sink.mask.may_hold(body):
            body = encode_lines([self._masked(line) for line in lines])
        self._sink.tell(self._owner, len(lines), levels, first, last, body, originator)

    def _masked(self, line: Packed) -> Packed:
        at, level, message, *fields = line
        mask = self._sink.mask
        return (at, level, mask.text(message), *map(mask.value, fields))


class OrphanLines(LineBuffer):
    """Lines nobody owns, for the service log: `info` and up."""

    def add(self, at: int, level: int, message: str, fields: dict[str, Any] | None = None) -> None:
        """Add a line unless it is a debugging one."""
        if level > Level.DEBUG:
            super().add(at, level, message, fields)


def _fitting(lines: list[Packed], size: int) -> int:
    """How many of the first lines fit into a size."""
    for count, line in enumerate(lines):
        size -= len(line[2]) + LINE_OVERHEAD
        if size < 0:
            return count
    return len(lines)


def encode_lines(lines: list[Packed]) -> bytes:
    """Lines as MessagePack. What cannot be encoded as it is (half a surrogate pair, strange fields) is written out."""
    try:
        return _encode(lines)
    except (UnicodeEncodeError, OverflowError, ValueError, TypeError, RecursionError):
        return _encode([_plain(line) for line in lines])


def size_of_fields(fields: dict[str, Any]) -> int:
    """The bytes a line's fields will take."""
    return len(encode_lines([(0, 0, "", fields)]))


def _plain(line: Packed) -> Packed:
    at, level, message, *rest = line
    if not rest:
        return (at, level, clean(message))
    fields = {clean(str(name)): _plain_value(value) for name, value in rest[0].items()}
    return (at, level, clean(message), fields)


def _plain_value(value: Any) -> Any:
    try:
        _encode(value)
    except (UnicodeEncodeError, OverflowError, ValueError, TypeError, RecursionError):
        return clean(repr(value))
    return value
