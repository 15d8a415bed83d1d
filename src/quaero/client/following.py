"""Following a log: history, then live, once and in order, whatever breaks in between.

A connection that breaks is opened again for ever, after a random pause (full jitter, 1 s … 30 s), from the cursor of
the last page that came whole. Pages say from which position to which they reach, so a hole is seen and asked for again.
The ledger counts what came, what the server said is gone (`missing`: retention), and what was dropped here because it
came before (`duplicate`).
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from quaero.client.events import Event, events
from quaero.client.models import Entry
from quaero.client.transport import Reply, Stream, Transport, Unreachable, address, error_of
from quaero.clock import Clock
from quaero.domain.cursor import parse_cursor
from quaero.domain.errors import StoreUnavailable

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
PATIENT_TRIES = 5  # of one who was never let in
BUSY = frozenset({429, 500, 502, 503, 504})
Opener = Callable[[Transport | None], Awaitable[Transport]]  # given one that broke, perhaps another


class HoleError(ValueError):
    """A page does not follow the one before; it is asked for again."""


@dataclass(slots=True)
class Ledger:
    """Positions of the first and last entry; how many came, are gone for good, came twice; how often it broke off."""

    first: int | None = None
    last: int | None = None
    received: int = 0
    missing: int = 0
    duplicate: int = 0
    reconnects: int = 0


class _Logs(msgspec.Struct):
    prev: int
    to: int
    logs: list[Entry]


class _Hello(msgspec.Struct):
    mode: str


class _Gap(msgspec.Struct):
    from_: int = msgspec.field(name="from")
    to: int = 0


class _Bye(msgspec.Struct):
    retry_ms: int = 1_000


@dataclass(slots=True)
class _Pause:
    """How long to wait before the next try; longer each time, random in full."""

    most: float = FIRST_PAUSE

    def next(self, rng: random.Random) -> float:
        seconds = rng.uniform(0, self.most)
        self.most = min(LONGEST_PAUSE, self.most * 2)
        return seconds


@dataclass(slots=True)
class Following:
    """A log that is followed: iterate over it, or over `pages()`, until the job and all below it have ended.

    `cursor` is the position after the last page that was taken; another `follow(cursor=…)` goes on from there.
    `status` is the last state of the job the server told. `on_trouble` hears why it cannot be asked again at once.
    """

    _open: Opener
    _path: tuple[object, ...]
    _query: dict[str, Any]
    _clock: Clock
    cursor: str | None = None
    ledger: Ledger = field(default_factory=Ledger)
    status: dict[str, Any] | None = None
    on_trouble: Callable[[str], None] | None = None
    _position: int | None = None
    _ended: bool = False
    _rng: random.Random = field(default_factory=random.SystemRandom)

    async def __aiter__(self) -> AsyncIterator[Entry]:
        """Entry by entry."""
        async for page in self.pages():
            for entry in page:
                yield entry

    async def pages(self) -> AsyncIterator[list[Entry]]:
        """Entries as they come, as many at once as there were. Raises NotFound, NotAllowed; at first Unreachable."""
        transport = await self._open(None)
        pause, is_first = _Pause(), True
        while not self._ended:
            try:
                async for page in self._connection(transport, pause):
                    is_first = False
                    yield page
            except (Unreachable, ValueError) as trouble:
                if is_first and self.cursor is None:
                    raise
                if self.on_trouble is not None and pause.most > FIRST_PAUSE:  # that it broke off once is not worth it
                    self.on_trouble(str(trouble))
            if not self._ended:
                is_first = False
                self.ledger.reconnects += 1
                await self._clock.sleep(pause.next(self._rng))
                transport = await self._open(transport)

    async def _connection(self, transport: Transport, pause: _Pause) -> AsyncIterator[list[Entry]]:
        query = {**self._query, "cursor": self.cursor}
        async with transport.stream(address(*self._path, **query)) as stream:
            if stream.status == 204:
                self._ended = True
                return
            if stream.status != 200:
                await self._refused(stream, pause)
                return
            async for event in events(stream.chunks):
                page = self._hear(event, pause)
                if page:
                    yield page
                self.cursor = event.id or self.cursor
                if self._ended:
                    return

    async def _refused(self, stream: Stream, pause: _Pause) -> None:
        body = b"".join([chunk async for chunk in stream.chunks])
        reply = Reply(stream.status, stream.headers, body)
        if stream.status not in BUSY:
            raise error_of(reply)
        if self.cursor is None and self.ledger.reconnects >= PATIENT_TRIES:
            raise StoreUnavailable(str(error_of(reply)))
        pause.most = max(pause.most, float(stream.headers.get("retry-after", "0") or 0))

    def _hear(self, event: Event, pause: _Pause) -> list[Entry]:
        """What an event brings; the position and the ledger are moved by it."""
        match event.name:
            case "hello":
                pause.most = FIRST_PAUSE
                if msgspec.json.decode(event.data, type=_Hello).mode != "resume":
                    self._position = None
            case "logs":
                return self._page(msgspec.json.decode(event.data, type=_Logs))
            case "gap":
                gap = msgspec.json.decode(event.data, type=_Gap)
                self.ledger.missing += gap.to - gap.from_ + 1
                self._position = max(self._position or 0, gap.to)
            case "ping":
                at = parse_cursor(event.id or "")
                self._position = at.seq if at is not None else self._position
            case "status":
                self.status = msgspec.json.decode(event.data)
            case "bye":
                pause.most = max(0.1, msgspec.json.decode(event.data, type=_Bye).retry_ms / 1_000)
                if self.cursor is None and self.ledger.reconnects >= PATIENT_TRIES:  # it was never let in
                    raise StoreUnavailable("the server has no room for this stream, or cannot read its store")
            case "end":
                self._ended = True
        return []

    def _page(self, logs: _Logs) -> list[Entry]:
        position, ledger = self._position, self.ledger
        fresh = logs.logs
        if position is not None:
            if logs.prev > position:
                raise HoleError(f"positions {position + 1} to {logs.prev} did not arrive")
            fresh = [entry for entry in fresh if entry.seq > position]
            ledger.duplicate += len(logs.logs) - len(fresh)
        self._position = max(position or 0, logs.to)
        if fresh:
            ledger.first = fresh[0].seq if ledger.first is None else ledger.first
            ledger.last = fresh[-1].seq
            ledger.received += len(fresh)
        return fresh
