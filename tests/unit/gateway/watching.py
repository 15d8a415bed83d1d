"""A state plane that looks when it is told to, and connections that keep what they are told: time is virtual."""

from __future__ import annotations

import json
from typing import Any

from quaero.gateway.connection import Connection
from quaero.gateway.lifecycle import Lifecycle
from quaero.gateway.socketprotocol import Line
from quaero.gateway.state import Gateway
from quaero.gateway.stateplane import StatePlane
from quaero.gateway.subscribing import subscription_for
from quaero.gateway.topics import Subscribe
from quaero.settings import WebSocket
from quaero.storage.sqlstore import SqlStore
from quaero.testing.bench import Bench

THRESHOLD = 1.0
Told = tuple[float, str, dict[str, Any]]  # when, type, payload


class Watched:
    """One client, or (with the plane of another one) one more of the same gateway."""

    def __init__(self, bench: Bench, store: SqlStore, *, beside: Watched | None = None, **settings: Any) -> None:
        self.bench = bench
        self.all = beside.all if beside is not None else []
        self.all.append(self)
        if beside is not None:
            self.lookout, self.plane = beside.lookout, beside.plane
        else:
            gateway = Gateway(store, "1", clock=bench.clock)
            websocket = WebSocket(time_threshold=round(THRESHOLD * 1e6), **settings)
            self.lookout = gateway.lookout
            self.plane = StatePlane(store, gateway.feed, gateway.lookout, bench.clock, websocket)
        self.connection = Connection(self._record, bench.clock, Line())
        self.told: list[Told] = []

    async def _record(self, message: Any) -> None:
        sent = json.loads(message["text"])
        self.told.append((self.bench.clock.monotonic(), sent["type"], sent["payload"]))

    async def subscribe(self, **asked: Any) -> None:
        ask = Subscribe(**asked)
        self.connection.add(ask.id, lambda: subscription_for(self.plane, self.connection, ask))
        await self.connection.flush()

    async def follow_lifecycle(self) -> None:
        """What a client gets that subscribes to nothing."""
        self.connection.attach(Lifecycle(self.plane, self.connection))
        await self.connection.flush()

    async def look(self) -> None:
        """What the loops of a gateway do when something moved, and its connections after it."""
        await self.lookout._look()
        await self.plane.interest.look()
        await self.plane.roots.look()
        for one in self.all:
            await one.connection.flush()

    async def pass_time(self, seconds: float) -> None:
        """Time goes by in small steps; connections write whenever something is due."""
        for _ in range(round(seconds / 0.25)):
            self.bench.clock.move(0.25)
            await self.look()

    def of(self, *kinds: str) -> list[Told]:
        """What was told of these types."""
        return [one for one in self.told if one[1] in kinds]

    def payloads(self, *kinds: str) -> list[dict[str, Any]]:
        """The payloads of these types."""
        return [payload for _, kind, payload in self.told if kind in kinds]
