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
from quaero.domain.job import Job
from quaero.domain.messages import DEFAULT_TYPES
from quaero.gateway.feed import Feed
from quaero.gateway.interest import SWEEP_SECONDS, Interest
from quaero.gateway.lookout import Lookout
from quaero.gateway.mapcolours import Colours
from quaero.gateway.queuestate import QueueState
from quaero.gateway.remembered import Remembered
from quaero.gateway.roots import Roots
from quaero.settings import WebSocket
from quaero.storage.port import ErrorGroup, JobFilter, JobPage, Store

LEAST_SECONDS = 0.05  # between two looks, however much moves
SHARE = 8  # a look that took long is followed by a pause this many times as long
MOST_SECONDS = 1.0
SHARED_SECONDS = 2.0  # for which what was read as of a version is given out again

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
        self._pages = Remembered[tuple[JobFilter, int, int | None, int], JobPage](clock, SHARED_SECONDS)
        self._errors = Remembered[tuple[int, int], list[ErrorGroup]](clock, SHARED_SECONDS)
        self._steps = Remembered[int, list[Job]](clock, SHARED_SECONDS)
        self._intervals: Mapping[str, float] = {k: v / 1e6 for k, v in settings.throttle_intervals.items()}
        self._usual = settings.time_threshold / 1e6
        self.allowed = frozenset(settings.allowed_events or DEFAULT_TYPES)

    def interval(self, kind: str, usual: float | None = None) -> float:
        """Seconds between two messages of this type about one thing."""
        return self._intervals.get(kind, self._usual if usual is None else usual)

    # --- read once for all whose rows have just moved: whoever knows the same version of a row gets the same

    async def page(self, where: JobFilter, size: int, after: int | None, as_of: Job) -> JobPage:
        """A page of the children of a job, at least as new as what is known of that job."""
        return await self._pages.get(
            (where, size, after, as_of.version), lambda: self.store.jobs(where, limit=size, after=after)
        )

    async def errors(self, as_of: Job) -> list[ErrorGroup]:
        """What failed in the tree of a job, at least as new as what is known of that job."""
        return await self._errors.get((as_of.id, as_of.version), lambda: self.store.errors(as_of.root_id))

    async def steps(self, root_id: int) -> list[Job]:
        """The steps of a tree, which are the same from its beginning; their states may be a moment old."""
        return await self._steps.get(root_id, lambda: self.store.steps(root_id))

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
