"""Every root that moved, for those who list roots or follow the whole queue; a new one is a root that moved too.

It looks at which trees the newest commits recorded something in, and reads those roots. While nobody follows, nothing
is read. Commits may become visible out of order, so a look goes back over the last seconds of what it has seen.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from itertools import islice
from typing import Protocol

from quaero.clock import Clock
from quaero.domain.errors import QuaeroError
from quaero.domain.job import Job
from quaero.gateway.interest import Row
from quaero.storage.port import Store

LOOK_SECONDS = 0.1
OVERLAP_SECONDS = 10.0
MOST_READ = 20_000  # roots in one look; the rest come with the next
MOST_REMEMBERED = 10_000  # roots whose last state is known
SHARE = 8  # a look that took long is followed by a pause this many times as long

_log = logging.getLogger(__name__)


class RootWatcher(Protocol):
    """Told of every root that moved."""

    def root_moved(self, row: Row, before: Job | None, *, is_new: bool) -> None:
        """A root stands otherwise than `before` (None: not known); `is_new`: it was accepted just now."""


class Roots:
    """Follows all roots for as long as somebody wants to know."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._watchers: set[RootWatcher] = set()
        self._wanted = asyncio.Event()
        self._floor = self._newest = 0
        self._seen: deque[tuple[float, int]] = deque()
        self._known_commits: set[int] = set()
        self._due: dict[int, None] = {}
        self._rows: OrderedDict[int, Row] = OrderedDict()
        self._born_after = 0
        self._beginning = asyncio.Lock()

    async def follow(self, watcher: RootWatcher) -> None:
        """Tell it of every root that moves from now on."""
        async with self._beginning:  # who begins again forgets what the one just before was to be told
            if not self._watchers:
                await self._begin()
            self._watchers.add(watcher)
            self._wanted.set()

    def leave(self, watcher: RootWatcher) -> None:
        """Tell it no more."""
        self._watchers.discard(watcher)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if not self._watchers:
                self._wanted.clear()
                await self._wanted.wait()
            started = self._clock.monotonic()
            try:
                await self.look()
            except QuaeroError as error:
                _log.warning("viewers of roots wait: %s", error)
            took = self._clock.monotonic() - started
            await self._clock.sleep(min(max(LOOK_SECONDS, SHARE * took), 1.0))

    async def _begin(self) -> None:
        self._floor, self._newest = await self._store.newest()
        self._born_after = self._newest
        self._seen.clear()
        self._known_commits.clear()
        self._due.clear()

    async def look(self) -> None:
        """Read the roots of the newest commits and tell of those that are newer than they were."""
        found = await self._store.trees_since(self._floor, self._newest, frozenset(self._known_commits))
        self._newest = max(self._newest, found.newest_root)
        now = self._clock.monotonic()
        for commit in found.commits:
            self._seen.append((now, commit))
            self._known_commits.add(commit)
        while self._seen and self._seen[0][0] < now - OVERLAP_SECONDS:
            _, commit = self._seen.popleft()
            self._known_commits.discard(commit)
            self._floor = max(self._floor, commit)
        self._due.update(dict.fromkeys(found.roots))
        part = list(islice(self._due, MOST_READ))
        for job in await self._store.jobs_by_id(sorted(part)) if part else []:
            self._tell(job)
        for root_id in part:
            self._due.pop(root_id, None)
        if not self._due:
            self._born_after = self._newest

    def _tell(self, job: Job) -> None:
        row = self._rows.get(job.id)
        before = row.job if row is not None else None
        if row is not None and job.version <= row.job.version:
            return
        if row is None:
            row = self._rows[job.id] = Row(job)
        row.renew(job, self._clock.now())
        self._rows.move_to_end(job.id)
        if len(self._rows) > MOST_REMEMBERED:
            self._rows.popitem(last=False)
        for watcher in list(self._watchers):
            watcher.root_moved(row, before, is_new=job.id > self._born_after)
