"""Viewers of a log as clients are: over a WebSocket, a stream, a page first; they are cut off, and come back.

What a client does with what it gets is what the page does: it goes on from the last cursor it was told. What comes
twice is an error, but where it asked anew while something was on its way; then a repeat is known by its position.
"""

from __future__ import annotations

import asyncio
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import aclosing, suppress
from random import Random
from typing import Any

from msgspec.structs import replace
from tests.unit.gateway.growing import Growth
from tests.unit.gateway.virtual import Chance, LateStore, pass_time

from quaero.domain.entries import Entry
from quaero.domain.errors import StoreUnavailable
from quaero.gateway.connection import Connection
from quaero.gateway.feed import AtTheEnd
from quaero.gateway.logs import LogsQuery, get_logs
from quaero.gateway.socketprotocol import Line
from quaero.gateway.sse import EventStream
from quaero.gateway.state import Gateway
from quaero.gateway.stateplane import StatePlane
from quaero.gateway.subscribing import subscription_for
from quaero.gateway.topics import Subscribe
from quaero.gateway.viewers import Viewers
from quaero.settings import WebSocket

LONGEST_VISIT = 3.0  # seconds of virtual time


class Ground:
    """What all viewers of a history stand on."""

    def __init__(self, gateway: Gateway, store: LateStore, growth: Growth, chance: Chance) -> None:
        self.gateway = gateway
        self.store = store
        self.growth = growth
        self.chance = chance
        self.plane = StatePlane(store, gateway.feed, gateway.lookout, gateway.clock, WebSocket())

    @property
    def rng(self) -> Random:
        return self.chance.rng


class Looker(ABC):
    """One client, for as long as the test. `ask` is what it looks at."""

    def __init__(self, ground: Ground, ask: Subscribe) -> None:
        self.ground = ground
        self.ask = ask
        self.past = ask.limit or 0  # entries it wants of what was there before it came
        self.seqs: list[int] = []
        self.cursor: str | None = None
        self.at = 0  # up to where it was told that it has seen everything
        self.began = [0, 0]  # the heads before and after it began; it began between the two
        self.may_repeat = False
        self.history: list[str] = []
        self._task = asyncio.create_task(self._look())

    def __str__(self) -> str:
        return f"{type(self).__name__} of {self.ask}, {self.history}"

    async def stop(self) -> None:
        """Go for good."""
        self._task.cancel()
        await asyncio.wait({self._task})

    def is_due(self, entry: Entry) -> bool:
        """Whether an entry is for it."""
        return self.ground.growth.belongs(entry, self.ask)

    def has(self, due: list[int]) -> bool:
        """Whether it has everything, or will never have it."""
        return self._task.done() or (self.cursor is not None and self.seqs[-1:] == due[-1:])

    def check(self, due: list[int]) -> None:
        """Raises AssertionError unless it has just what is due: all from where it began on, each once, in order."""
        if self._task.done():
            self._task.result()
        early, late = (sum(seq <= head for seq in due) for head in self.began)
        least = min(self.past, early) + len(due) - late
        got = self.seqs
        assert len(got) >= least, f"{self} got {got}, due {due}"
        assert got == due[len(due) - len(got) :], f"{self} got {got}, due {due}"

    async def _look(self) -> None:
        rng = self.ground.rng
        while True:
            if self.cursor is None:
                self.began[0] = self._head()
            patience = rng.uniform(0.05, LONGEST_VISIT) if rng.random() < 0.7 else None
            with suppress(TimeoutError, StoreUnavailable):
                async with asyncio.timeout(patience):
                    await self._visit()
            await pass_time(rng.uniform(0.01, 0.5))

    @abstractmethod
    async def _visit(self) -> None:
        """Look until cut off."""

    def _head(self) -> int:
        return self.ground.growth.head

    def _is_at(self, cursor: str, seq: int) -> None:
        if self.cursor is None:
            self.began[1] = self._head()
        self.cursor, self.at = cursor, seq

    def _took(self, kind: str, payload: dict[str, Any], cursor: str | None) -> None:
        """One part has come."""
        assert kind in ("hello", "logs", "status", "end", "ping", "bye"), f"{self} was told {kind}: {payload}"
        if kind == "hello":
            self.history.append(f"{payload['mode']} at {cursor or self.at}")
        if kind == "logs":
            self._took_lines(payload)
        if cursor:
            told = int(cursor.rpartition(".")[2])
            assert told >= self.at or self.may_repeat, f"{self} goes back from {self.at} to {told}"
            self._is_at(cursor, max(told, self.at))

    def _took_lines(self, payload: dict[str, Any]) -> None:
        seqs = [line["seq"] for line in payload["logs"]]
        if not self.may_repeat:
            assert payload["prev"] == self.at, f"{self} has what is up to {self.at} and is told {payload}"
            assert not seqs or seqs[0] > self.at, f"{self} has what is up to {self.at} and is told {seqs}"
        self.history.append(f"{payload['prev']}-{payload['to']}")
        self.seqs += [seq for seq in seqs if seq > self.at]


class _Way(Line):
    """Sometimes there is room for a message at once."""

    def __init__(self, rng: Random, deliver: Callable[[str], None]) -> None:
        self._rng = rng
        self._deliver = deliver

    def write(self, text: str) -> bool:
        has_room = self._rng.random() < 0.5
        if has_room:
            self._deliver(text)
        return has_room


class SocketLooker(Looker):
    """Over the WebSocket; sometimes it asks for the same again while it is told."""

    async def _visit(self) -> None:
        connection = Connection(self._send, self.ground.gateway.clock, _Way(self.ground.rng, self._heard))
        self.may_repeat = False
        self._ask(connection)
        writer = asyncio.create_task(connection.write())
        try:
            while self.ground.rng.random() < 0.3:
                await asyncio.wait({writer}, timeout=self.ground.rng.uniform(0.0, 1.0))
                self.may_repeat = True
                self._ask(connection)
            await writer
        finally:
            writer.cancel()
            connection.close()
            await asyncio.wait({writer})

    def _ask(self, connection: Connection) -> None:
        ask = replace(self.ask, cursor=self.cursor)
        connection.add(ask.id, lambda: subscription_for(self.ground.plane, connection, ask))

    async def _send(self, message: Any) -> None:
        await self.ground.chance.pause()
        self._heard(message["text"])

    def _heard(self, text: str) -> None:
        message = json.loads(text)
        self._took(message["type"], message["payload"], message["payload"].get("cursor"))


class PageLooker(SocketLooker):
    """Reads the end of the log first, and is told what comes after it, as the page does."""

    async def _visit(self) -> None:
        if self.cursor is None:
            await self._read()
        await super()._visit()

    async def _read(self) -> None:
        query = LogsQuery(
            limit=self.ask.limit or 1, level=self.ask.level, step=self.ask.step, children=self.ask.children
        )
        page = await get_logs(self.ground.gateway, _top(self.ask), query)
        self.seqs = [line.seq for line in reversed(page.logs)]
        assert page.prev_cursor is not None
        self._is_at(page.prev_cursor, page.head)


class _Wire:
    """A connection that is full now and then."""

    def __init__(self, looker: StreamLooker, rng: Random) -> None:
        self.on_lost: Callable[[], None] | None = None
        self.is_full = self.is_lost = False
        self._looker = looker
        self._rng = rng
        self._room = asyncio.Event()

    def write(self, chunk: bytes) -> None:
        assert not self.is_full, "written to a connection that is full"
        self._looker.heard(chunk.decode())
        if self._rng.random() < 0.2:
            self.is_full = True
            self._room.clear()
            asyncio.get_running_loop().call_later(self._rng.choice([0.0, 0.1, 2.0]), self._empty)

    def _empty(self) -> None:
        self.is_full = False
        self._room.set()

    async def drain(self) -> None:
        await self._room.wait()

    def abort(self) -> None:
        """It is cut off anyway."""


class StreamLooker(Looker):
    """Over server-sent events, alone or abreast of others."""

    async def _visit(self) -> None:
        feed = self.ground.gateway.feed
        ask = self.ask
        scope = await feed.scope(_top(ask), step=ask.step, children=ask.children, level=ask.level)
        try:
            following = await feed.follow(scope, cursor=self.cursor, limit=ask.limit or 0)
        except AtTheEnd:
            return
        wire: Any = _Wire(self, self.ground.rng)
        await EventStream(following, Viewers(), wire).send(_say_nothing)

    def heard(self, chunk: str) -> None:
        """Some bytes have come."""
        cursor = re.search(r"^id: (.*)$", chunk, re.MULTILINE)
        kind = re.search(r"^event: (.*)$", chunk, re.MULTILINE)
        data = re.search(r"^data: (.*)$", chunk, re.MULTILINE)
        told = json.loads(data[1]) if data else {}
        if kind:
            self._took(kind[1], told, cursor[1] if cursor else None)
        elif cursor:
            self._is_at(cursor[1], int(cursor[1].rpartition(".")[2]))


async def _say_nothing(message: Any) -> None:
    """The head and the end of an answer are not what is looked at here."""


class Hearer(Looker):
    """Hears of every change of status of the tree, as maps do."""

    def __init__(self, ground: Ground, ask: Subscribe) -> None:
        super().__init__(ground, ask)
        self.past = 0

    def is_due(self, entry: Entry) -> bool:
        return bool(entry.fields) and "status" in (entry.fields or {})

    async def _visit(self) -> None:
        after = self.at if self.cursor else None
        async with aclosing(self.ground.gateway.feed.changes(self.ground.growth.root_id, after=after)) as changes:
            async for some in changes:
                assert self.cursor is None or some.prev == self.at, f"{self} has heard {self.at}, then {some}"
                self.seqs += [change.seq for change in some.changes]
                self._is_at("told", some.to)
                await self.ground.chance.pause()


def _top(ask: Subscribe) -> int:
    return int(ask.topic.partition(":")[2])


def a_looker(ground: Ground) -> Looker:
    """Somebody who looks at something."""
    sorts: list[type[SocketLooker | StreamLooker | Hearer]]
    sorts = [SocketLooker, PageLooker, StreamLooker, StreamLooker, Hearer]
    return ground.rng.choice(sorts)(ground, ground.growth.an_ask())
