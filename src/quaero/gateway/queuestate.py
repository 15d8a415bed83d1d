"""How the whole queue stands, read once for everybody who wants to know, and told when it differs."""

import asyncio
import logging
from typing import Protocol

import msgspec

from quaero.clock import Clock
from quaero.domain.errors import QuaeroError
from quaero.domain.wire import rfc3339
from quaero.gateway.queue import QueueStats, queue_stats
from quaero.gateway.remembered import Remembered
from quaero.storage.port import Store

LOOK_SECONDS = 0.5

_log = logging.getLogger(__name__)


class LiveStats(QueueStats, frozen=True, kw_only=True):
    """The queue's counts as a message: `version` grows with every change."""

    version: int
    timestamp: str


class QueueWatcher(Protocol):
    """Told when the queue stands otherwise."""

    def queue_moved(self) -> None:
        """The queue's counts have changed."""


class QueueState:
    """Reads the counts for as long as somebody watches."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._watchers: set[QueueWatcher] = set()
        self._wanted = asyncio.Event()
        self._stats: QueueStats | None = None
        self._text = ""
        self._version = 0
        self._looks = Remembered[None, None](clock, LOOK_SECONDS)

    def watch(self, watcher: QueueWatcher) -> None:
        """Tell it of changes from now on."""
        self._watchers.add(watcher)
        self._wanted.set()

    def unwatch(self, watcher: QueueWatcher) -> None:
        """Tell it no more."""
        self._watchers.discard(watcher)

    async def read(self) -> str:
        """The counts as they stand, or stood a moment ago, as JSON: many come at once after a restart."""
        await self._looks.get(None, self.look)
        return self._text

    @property
    def text(self) -> str:
        """The counts as they were last seen, as JSON."""
        return self._text

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if not self._watchers:
                self._wanted.clear()
                await self._wanted.wait()
            try:
                await self.look()
            except QuaeroError as error:
                _log.warning("viewers of the queue wait: %s", error)
            await self._clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Read the counts and tell of them if they differ."""
        stats = await queue_stats(self._store)
        if stats == self._stats:
            return
        self._stats = stats
        now = self._clock.now()
        self._version = max(self._version + 1, now)
        live = LiveStats(**msgspec.structs.asdict(stats), version=self._version, timestamp=rfc3339(now))
        self._text = msgspec.json.encode(live).decode()
        for watcher in list(self._watchers):
            watcher.queue_moved()
