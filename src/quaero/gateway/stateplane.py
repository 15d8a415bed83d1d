"""The state plane of one gateway process: what its viewers look at, which roots moved, how the queue stands.

One loop looks for all of them, as often as there is reason to and never more than a share of this process's time.
Whoever looks at nothing costs nothing: without viewers the loop stands still.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from quaero.clock import Clock
from quaero.domain.errors import QuaeroError
from quaero.domain.messages import DEFAULT_TYPES
from quaero.gateway.feed import Feed
from quaero.gateway.interest import SWEEP_SECONDS, Interest
from quaero.gateway.lookout import Lookout
from quaero.gateway.mapcolours import Colours
from quaero.gateway.queuestate import QueueState
from quaero.gateway.roots import Roots
from quaero.settings import WebSocket
from quaero.storage.port import Store

LEAST_SECONDS = 0.05  # between two looks, however much moves
SHARE = 8  # a look that took long is followed by a pause this many times as long
MOST_SECONDS = 1.0

_log = logging.getLogger(__name__)


class StatePlane:
    """What the WebSocket's views work with. `run` it beside the server."""

    def __init__(self, store: Store, feed: Feed, lookout: Lookout, clock: Clock, settings: WebSocket) -> None:
        self.store = store
        self.feed = feed
        self.lookout = lookout
        self.clock = clock
        self.interest = Interest(store, lookout, clock)
        self.roots = Roots(store, clock)
        self.queue = QueueState(store, clock)
        self.colours = Colours(store, clock)
        self._intervals: Mapping[str, float] = {k: v / 1e6 for k, v in settings.throttle_intervals.items()}
        self._usual = settings.time_threshold / 1e6
        self.allowed = frozenset(settings.allowed_events or DEFAULT_TYPES)

    def interval(self, kind: str, usual: float | None = None) -> float:
        """Seconds between two messages of this type about one thing."""
        return self._intervals.get(kind, self._usual if usual is None else usual)

    async def run(self) -> None:
        """Look until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_looking())
            group.create_task(self.roots.run())
            group.create_task(self.queue.run())

    async def _keep_looking(self) -> None:
        interest = self.interest
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS if interest.watched else None):
                    await interest.stirred.wait()
            started = self.clock.monotonic()
            try:
                await interest.look()
            except QuaeroError as error:
                _log.warning("viewers wait: %s", error)
            took = self.clock.monotonic() - started
            await self.clock.sleep(min(max(LEAST_SECONDS, SHARE * took), MOST_SECONDS))
