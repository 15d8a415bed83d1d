"""The service log: what Quaero's own processes have to say, on its way to tree 0.

    logging, orphaned output ──> bounded buffer ──at most once a second──> tree 0 of the store

A worker and a gateway each keep one. It never slows who logs: a line is put into the buffer and that is all. What does
not fit is counted, and the count is one entry where the lines would have stood. While the store cannot be written the
lines wait. The store's and the doorbell's own loggers go to standard error only: what a write caused must not be
another write.
"""

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from quaero.clock import Clock
from quaero.domain.bounds import KIB, MAX_LINE, MIB
from quaero.domain.entries import Level, Originator
from quaero.domain.errors import StoreUnavailable
from quaero.domain.facts import Lines
from quaero.engine.executor.capture import level_of
from quaero.engine.executor.lines import Packed, encode_lines
from quaero.engine.lifecycle.service import append_service
from quaero.engine.masking import Mask
from quaero.engine.protocol import Orphans
from quaero.engine.text import clean, shorten
from quaero.storage.port import Store

PERIOD_SECONDS = 1.0
LAST_WRITE_SECONDS = 2.0
MAX_LINES = 5_000  # waiting for one write
MAX_BYTES = 1 * MIB
LINE_OVERHEAD = 1 * KIB // 8
STDERR_ONLY = ("quaero.storage", "quaero.doorbell")

_traceback_of = logging.Formatter().formatException


class Buffer:
    """Lines that wait for the next write, bounded. Any thread may put some in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: list[Lines | Packed] = []
        self._count = self._bytes = 0
        self._lost = self._lost_at = 0

    def add(self, item: Lines | Packed, count: int, size: int) -> None:
        """Put in `count` lines of `size` bytes, or count them as lost."""
        with self._lock:
            if self._lost or self._count + count > MAX_LINES or self._bytes + size > MAX_BYTES:
                self._lost += count
                self._lost_at = item.last_at if isinstance(item, Lines) else item[0]
            else:
                self._items.append(item)
                self._count += count
                self._bytes += size

    def take(self) -> list[Lines]:
        """Everything, encoded, in order; how many were lost is the last of it."""
        with self._lock:
            items, lost, lost_at = self._items, self._lost, self._lost_at
            self._items = []
            self._count = self._bytes = self._lost = 0
        if lost:
            words = f"{lost:,} lines are missing here: more came at once than the service log takes"
            items.append((lost_at, Level.WARN, words, {"lost": lost}))
        return list(_encoded(items))


def _encoded(items: list[Lines | Packed]) -> Iterator[Lines]:
    """Lines next to each other become one body."""
    run: list[Packed] = []
    for item in items:
        if isinstance(item, Lines):
            if run:
                yield _lines_of(run)
                run = []
            yield item
        else:
            run.append(item)
    if run:
        yield _lines_of(run)


def _lines_of(run: list[Packed]) -> Lines:
    levels = 0
    for line in run:
        levels |= 1 << line[1]
    moments = [line[0] for line in run]
    return Lines(0, 0, len(run), levels, min(moments), max(moments), encode_lines(run), Originator.SYSTEM)


class ServiceLog:
    """Writes one process's part of the service log while it is entered; what still waits is written at its end."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._buffer = Buffer()
        self._unwritten: list[Lines] = []
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._keeper: asyncio.Task[None] | None = None

    def say(self, at: int, level: int, message: str, fields: dict[str, Any] | None = None) -> None:
        """Record a line; `at` in microseconds since the epoch. Any thread may; debugging lines are left out."""
        if level == Level.DEBUG:
            return
        text = shorten(clean(message), MAX_LINE)
        self._buffer.add((at, level, text, fields) if fields else (at, level, text), 1, len(text) + LINE_OVERHEAD)
        self._stir()

    def take(self, found: Orphans) -> None:
        """Record what came encoded: output of executors that belongs to no job."""
        lines = Lines(0, 0, found.count, found.levels, found.first_at, found.last_at, found.body)
        self._buffer.add(lines, lines.count, len(lines.body))
        self._stir()

    def _stir(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def __aenter__(self) -> "ServiceLog":
        self._loop = asyncio.get_running_loop()
        self._wake.set()  # something may have been said before
        self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._keeper is not None
        self._closing.set()
        self._wake.set()
        await asyncio.wait({self._keeper}, timeout=LAST_WRITE_SECONDS)
        self._keeper.cancel()
        self._loop = None

    async def _keep(self) -> None:
        while not self._closing.is_set():
            await self._wake.wait()
            self._wake.clear()
            await self._write()
            await self._pause()
        for _ in ("what could not be written before", "what was said since"):
            await self._write()

    async def _pause(self) -> None:
        """Wait for the next turn, or for the end."""
        waits = {asyncio.ensure_future(self._clock.sleep(PERIOD_SECONDS)), asyncio.ensure_future(self._closing.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _write(self) -> None:
        """Write what waits. What cannot be written now is kept, and meanwhile the buffer fills, and counts."""
        self._unwritten = self._unwritten or self._buffer.take()
        if not self._unwritten:
            return
        try:
            await self._store.write(append_service, self._unwritten)
        except StoreUnavailable:
            self._wake.set()
        else:
            self._unwritten = []


class ServiceHandler(logging.Handler):
    """Turns records of this process into lines of its service log; `process` is what it calls itself there."""

    def __init__(self, service: ServiceLog, process: str, mask: Mask) -> None:
        super().__init__(logging.INFO)
        self._service = service
        self._mask = mask
        self._fields = {"process": process, "pid": os.getpid()}

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave out what goes to standard error only."""
        return not record.name.startswith(STDERR_ONLY) and bool(super().filter(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        self._service.say(
            int(record.created * 1e6), level_of(record.levelno), self._mask.text(_told(record)), self._fields
        )


class _StderrHandler(logging.Handler):
    """Warnings and worse, for whoever started this program: one line each, and the traceback of a fault."""

    def __init__(self, process: str, mask: Mask) -> None:
        super().__init__(logging.WARNING)
        self._process = process
        self._mask = mask

    def emit(self, record: logging.LogRecord) -> None:
        """Say a record."""
        with contextlib.suppress(OSError, ValueError):  # nobody reads it, or it is closed
            sys.stderr.write(f"quaero {self._process}: {self._mask.text(_told(record))}\n")


def _told(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except Exception as error:  # a wrong format string must not stop a process
        message = f"{record.msg} {record.args!r} (not formatted: {error})"
    if record.exc_info and record.exc_info[0] is not None:
        message = f"{message}\n{_traceback_of(record.exc_info)}"
    return message


@contextlib.contextmanager
def heard(service: ServiceLog, process: str, mask: Mask) -> Iterator[None]:
    """Whatever this process logs goes to its service log while this lasts, warnings to standard error too."""
    root, ours = logging.getLogger(), logging.getLogger("quaero")
    handlers = [ServiceHandler(service, process, mask), _StderrHandler(process, mask)]
    level = ours.level
    ours.setLevel(logging.INFO)
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
        ours.setLevel(level)
