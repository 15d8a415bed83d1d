"""One watched tree: a single reader for all its viewers.

    moved ──> state of the jobs watched ──> entries up to the head ──> each filter class encoded once ──> viewers woken

State is read before entries, so entries never lag behind the `log_head` a state names. The pace is set by what a flush
costs: at least the batch interval apart, at most a second; a terminal change is flushed at once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from quaero.clock import Clock
from quaero.domain.errors import StoreUnavailable
from quaero.domain.status import JobStatus
from quaero.gateway.kin import Kin
from quaero.gateway.lookout import Lookout, Moved
from quaero.gateway.pace import Pace
from quaero.gateway.scope import SERVICE_ROOT, Scope
from quaero.gateway.told import service_standing
from quaero.gateway.turns import Turns
from quaero.gateway.view import View
from quaero.storage.port import Change, Mark, Standing, Store

READ_AT_ONCE = 5_000  # entries
CHANGES_KEPT = 64  # flushes
LINGER = 5.0  # seconds a tree without viewers is kept warm

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes of status in the positions (prev, to] of a tree, in order."""

    prev: int
    to: int
    changes: list[Change]


class Tail:
    """Follows one tree while anybody watches it."""

    def __init__(
        self, root_id: int, head: int, *, store: Store, lookout: Lookout, kin: Kin, clock: Clock, pace: Pace
    ) -> None:
        self.root_id = root_id
        self.head = head
        self.oldest = 1
        self.is_broken = False
        self.views: dict[Scope, View] = {}
        self._tree = f"{store.incarnation}.{root_id}.".encode()
        self._store = store
        self._lookout = lookout
        self._kin = kin
        self._clock = clock
        self._pace = pace
        self._dirty = asyncio.Event()
        self._urgent = asyncio.Event()
        self._watched: dict[int, Moved] = {}
        self._changes: deque[Changes] = deque(maxlen=CHANGES_KEPT)
        self._hearers = 0
        self._held = 0
        self._turns = Turns()
        self._flushed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watch(root_id)
        self._task = asyncio.create_task(self._run())

    # --- who watches

    def view(self, scope: Scope) -> View:
        """The view of a scope, made if it is new; `view.ready` once it stands where the tail does."""
        view = self.views.get(scope)
        if view is None:
            view = self.views[scope] = View(scope, self._kin, self.head, self._tree, self._clock.monotonic())
            self._watch(scope.job_id)
            self._dirty.set()
            self._urgent.set()
        return view

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep all views for the length of a block."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    async def tell_quiet(self, now: float, turns: Turns) -> None:
        """Let viewers who were told nothing for long hear that we live."""
        for view in list(self.views.values()):
            await view.tell_quiet(now, turns)

    def tidy(self, now: float) -> bool:
        """Let views go that nobody has watched for a while; whether anything is left."""
        for view in list(self.views.values()):
            if view.is_followed or self._held:
                view.left_at = now
            elif now - view.left_at >= LINGER:
                del self.views[view.scope]
        for job_id in set(self._watched) - {self.root_id} - {scope.job_id for scope in self.views}:
            self._lookout.unwatch(job_id, self._watched.pop(job_id))
        return bool(self.views or self._hearers or self._held) and not self.is_broken

    def _watch(self, job_id: int) -> None:
        if job_id in self._watched:
            return

        def moved(mark: Mark | None) -> None:
            self._dirty.set()
            if mark is None or mark.status >= JobStatus.COMPLETED:
                self._urgent.set()

        self._watched[job_id] = moved
        self._lookout.watch(job_id, moved)

    # --- changes of status

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Keep changes of status for the length of a block."""
        self._hearers += 1
        try:
            yield
        finally:
            self._hearers -= 1
            if not self._hearers:
                self._changes.clear()

    def changes_after(self, position: int) -> Changes | None:
        """The kept changes that join a position, None if there are none or they do not reach back."""
        found: list[Change] = []
        to = position
        for changes in self._changes:
            if changes.prev <= to < changes.to:
                found += changes.changes if changes.prev == to else [c for c in changes.changes if c.seq > to]
                to = changes.to
        return Changes(position, to, found) if to > position else None

    async def flushed(self) -> None:
        """Wait for the next flush. Raises StoreUnavailable when there will be none."""
        await asyncio.shield(self._flushed)
        if self.is_broken:
            raise StoreUnavailable(f"the feed of tree {self.root_id} broke off: try again")

    # --- following

    async def close(self) -> None:
        """Stop following."""
        for job_id, moved in self._watched.items():
            self._lookout.unwatch(job_id, moved)
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            await self._dirty.wait()
            began = self._clock.monotonic()
            self._dirty.clear()
            self._urgent.clear()
            try:
                with self._pace.flush(self.root_id):
                    await self._flush()
            except StoreUnavailable as error:
                log.warning("viewers of %s wait: %s", self.root_id, error)
                self._dirty.set()
            except Exception:
                log.exception("the feed of tree %s broke off; its viewers come again", self.root_id)
                self._break_off()
                return
            await self._pause(began + self._pace.interval - self._clock.monotonic())

    def _break_off(self) -> None:
        self.is_broken = True
        for view in self.views.values():
            view.ready.set()
            for following in view.followings:
                following.close()
        self._flushed.set_result(None)

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._urgent.wait()
            except TimeoutError:
                return

    async def _flush(self) -> None:
        for view in self.views.values():
            if view.head != self.head:  # it was made while the last flush was under way
                view.restart(self.head)
        jobs = {scope.job_id for scope in self.views}
        standings = {job_id: await self._standing(job_id) for job_id in jobs}
        while await self._read_on():
            await self._fan_out()
        for view in self.views.values():
            if view.scope.job_id in standings:
                view.tell(standings[view.scope.job_id])
            if view.head == self.head:
                view.ready.set()
        await self._fan_out()

    async def _standing(self, job_id: int) -> Standing | None:
        return service_standing(job_id, self.head) if job_id == SERVICE_ROOT else await self._store.standing(job_id)

    async def _read_on(self) -> bool:
        """Read once; whether there is more."""
        page = await self._store.stretches(self.root_id, after=self.head, limit=READ_AT_ONCE)
        prev = self.head
        self.oldest = page.oldest
        if page.oldest - 1 > prev:  # trimmed away before anybody read it: every viewer is told of the gap
            prev = page.oldest - 1
            for view in self.views.values():
                view.restart(prev)
        to = max(page.to, prev)
        if to > self.head:
            for view in list(self.views.values()):
                if not view.is_followed and not self._held:
                    view.restart(to)
                    continue
                more = await view.encode(page.stretches, prev, to)
                if view.head == prev:
                    view.extend(more)
            if self._hearers:
                self._changes.append(Changes(prev, to, [c for s in page.stretches for c in s.changes()]))
        self.head = to
        return to < page.head

    async def _fan_out(self) -> None:
        """Tell all who follow a view with news."""
        self._flushed.set_result(None)
        self._flushed = asyncio.get_running_loop().create_future()
        self._turns.begin()
        for view in list(self.views.values()):
            if view.has_news:
                view.has_news = False
                await view.tell_news(self._turns)
