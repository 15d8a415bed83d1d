"""What moved: one look at the store for everybody who watches a row, woken by the doorbell, never relying on it.

Rows nobody watches cost nothing, and a gateway without viewers does not look at all.
"""

import asyncio
import logging
from collections.abc import Callable

from quaero.clock import Clock
from quaero.domain.errors import StoreUnavailable
from quaero.doorbell.port import Doorbell
from quaero.storage.port import Mark, Store

LOOK_EVERY = 0.025  # seconds between looks while it rings
POLL_EVERY = 0.25  # seconds between looks while it does not

Moved = Callable[[Mark | None], None]
"""Called with a row's new mark, or None when the row is gone."""

log = logging.getLogger(__name__)


class Lookout:
    """Tells watchers of rows that their row has moved since they were last told."""

    def __init__(self, store: Store, bell: Doorbell, clock: Clock) -> None:
        self._store = store
        self._bell = bell
        self._clock = clock
        self._seen: dict[int, Mark | None] = {}
        self._watchers: dict[int, list[Moved]] = {}
        self._wanted = asyncio.Event()
        self._is_other = False  # others are watched than the doorbell knows
        self.looks = 0

    def watch(self, job_id: int, moved: Moved) -> None:
        """Call `moved` now and then: soon for the first time, and whenever the row has moved."""
        self._is_other = self._is_other or job_id not in self._watchers
        self._watchers.setdefault(job_id, []).append(moved)
        self._seen.pop(job_id, None)
        self._wanted.set()

    def unwatch(self, job_id: int, moved: Moved) -> None:
        """Stop calling it."""
        watchers = self._watchers.get(job_id, [])
        if moved in watchers:
            watchers.remove(moved)
        if not watchers:
            self._is_other = True
            self._watchers.pop(job_id, None)
            self._seen.pop(job_id, None)

    async def run(self) -> None:
        """Look for as long as anybody watches; ends when cancelled."""
        while True:
            began = self._clock.monotonic()
            try:
                self._tell_bell()
                if not self._watchers:
                    self._wanted.clear()
                    await self._wanted.wait()
                    continue
                await self._look()
            except StoreUnavailable as error:
                log.warning("viewers wait: %s", error)
            except Exception:
                log.exception("a look at what moved failed; the next one follows")
            await self._bell.wait(POLL_EVERY)
            rest = began + LOOK_EVERY - self._clock.monotonic()
            if rest > 0:
                await self._clock.sleep(rest)

    def _tell_bell(self) -> None:
        if self._is_other:
            self._bell.heed(list(self._watchers), False)
            self._is_other = False

    async def _look(self) -> None:
        ids = list(self._watchers)
        self.looks += 1
        found = {mark.id: mark for mark in await self._store.marks(ids)}
        for job_id in ids:
            mark = found.get(job_id)
            if job_id in self._watchers and (job_id not in self._seen or self._seen[job_id] != mark):
                self._seen[job_id] = mark
                for moved in list(self._watchers[job_id]):
                    moved(mark)
