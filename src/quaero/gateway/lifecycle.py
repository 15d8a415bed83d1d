"""What a client without a subscription is told: the lifecycle of roots and steps, and how the queue stands.

Never of every leaf. There is no list to keep true here, so nothing is remembered but what waits to be told and the
steps of open trees; one who reads too slowly for that is told to read the lists instead.
"""

from collections.abc import Mapping, Sequence

from quaero.domain.job import Job
from quaero.domain.status import PENDING, RUNNING, WAITING
from quaero.domain.wire import Problem
from quaero.domain.wirestate import job_created
from quaero.gateway.interest import Row
from quaero.gateway.jobsubscriptions import STATS
from quaero.gateway.stateplane import StatePlane
from quaero.gateway.styles import CRAWL, TypedStyle
from quaero.gateway.subscription import CREATED, Key, Outlet, Subscription
from quaero.gateway.topics import Subscribe, envelope, json_of
from quaero.storage.port import JobFilter

MOST_WAITING = 10_000  # messages
MOST_TREES = 2_000  # open trees whose steps are told
FIRST_TREES = 500  # open trees looked for when a client comes
MANY = 20  # roots created in one flush: told as one message with their count
STEPS, OVERFLOW = "steps", "overflow"
_OPEN = (PENDING, RUNNING, WAITING)


class Lifecycle(Subscription):
    """All roots, and the steps of open ones."""

    def __init__(self, plane: StatePlane, outlet: Outlet) -> None:
        super().__init__(plane, outlet, Subscribe(id=0, topic="lifecycle"))
        self._style = TypedStyle(plane.allowed)
        self._pending: dict[Key, Row] = {}
        self._steps: dict[int, list[int]] = {}
        self._missing: dict[int, bool] = {}
        self._ended: dict[int, None] = {}

    async def open(self) -> list[str]:
        """Begin to follow: from now on, whatever changes. What is open already is known, not told."""
        await self.plane.roots.follow(self)
        if STATS in self.plane.allowed:
            self.plane.queue.watch(self)
        page = await self.plane.store.jobs(JobFilter(roots=True, statuses=_OPEN), limit=FIRST_TREES)
        await self._watch_steps({job.id: False for job in page.jobs if job.definition is not None})
        return []

    # --- told by the state plane

    def root_moved(self, row: Row, before: Job | None, *, is_new: bool) -> None:
        """A root is newer."""
        job = row.job
        if is_new and CREATED in self.plane.allowed:
            self._wait(CREATED, row, urgent=False)
        if not (is_new and job.status == PENDING):
            self.moved(row, before)
        if job.is_terminal:
            self._ended[job.id] = None
        if job.definition is None:
            return
        if job.id not in self._steps and (is_new or not job.is_terminal):
            self._miss_steps(job.id, is_new)

    def _miss_steps(self, root_id: int, is_new: bool) -> None:
        if len(self._steps) + len(self._missing) < MOST_TREES:
            self._missing[root_id] = is_new or self._missing.get(root_id, False)
            self.outlet.due(self, STEPS, 0, urgent=True)

    def moved(self, row: Row, before: Job | None) -> None:
        """A root or a step is newer."""
        for kind, urgent in self._style.changed(row, before):
            self._wait(kind, row, urgent=urgent)

    def gone(self, job_id: int) -> None:
        """A tree was deleted: those who list it say so."""

    def queue_moved(self) -> None:
        """The queue's counts differ."""
        self.outlet.due(self, STATS, 0)

    def _wait(self, kind: str, row: Row, *, urgent: bool) -> None:
        if len(self._pending) >= MOST_WAITING:
            self._pending.clear()
            self.outlet.due(self, OVERFLOW, 0)
            return
        self._pending[kind, row.job.id] = row
        self.outlet.due(self, kind, row.job.id, urgent=urgent)

    # --- asked by the connection

    async def frames(self, keys: Sequence[Key]) -> list[str]:
        """What is due, as typed messages."""
        if self._missing:
            await self._watch_steps(dict(self._missing))
        for key in keys:
            if key[0] == CRAWL and key in self._pending:
                await self.plane.interest.learn_page(self._pending[key])
        rows = [(key[0], row) for key in keys if (row := self._pending.pop(key, None)) is not None]
        frames = [*self._told_created([row for kind, row in rows if kind == CREATED])]
        frames += self._style.told([pair for pair in rows if pair[0] != CREATED], self.plane.clock.now())
        kinds = {kind for kind, _ in keys}
        if STATS in kinds:
            frames.append(envelope(STATS, self.plane.queue.text))
        if OVERFLOW in kinds:
            frames.append(_overflow())
        self._settle()
        return frames

    def close(self) -> None:
        """Follow nothing any more."""
        self.plane.roots.leave(self)
        self.plane.queue.unwatch(self)
        for steps in self._steps.values():
            self.plane.interest.unwatch(self, steps)
        self._steps.clear()
        self._pending.clear()

    # --- helpers

    def _told_created(self, rows: list[Row]) -> list[str]:
        now = self.plane.clock.now()
        if len(rows) > MANY:
            return [envelope(CREATED, json_of(job_created(rows[-1].job, now, len(rows))))]
        return list(self._style.told([(CREATED, row) for row in rows], now))

    async def _watch_steps(self, roots: Mapping[int, bool]) -> None:
        """Watch the steps of these trees. What became of those of a new tree until now is told."""
        for root_id, is_new in roots.items():
            steps = await self.plane.steps(root_id)
            await self.plane.interest.watch(self, steps)
            self._missing.pop(root_id, None)
            self._steps[root_id] = [step.id for step in steps]
            for row in self.plane.interest.rows(self._steps[root_id]):
                if is_new and row.job.status != PENDING:
                    self.moved(row, None)
                else:
                    self._style.known(row)

    def _settle(self) -> None:
        """Let go of trees that have ended and whose steps were all told."""
        waiting = {job_id for _, job_id in self._pending}
        for root_id in list(self._ended):
            steps = self._steps.get(root_id, [])
            if waiting.isdisjoint([root_id, *steps]) and all(
                row.job.is_terminal for row in self.plane.interest.rows(steps)
            ):
                del self._ended[root_id]
                self._steps.pop(root_id, None)
                self.plane.interest.unwatch(self, steps)
                for job_id in (root_id, *steps):
                    self._style.forget(job_id)


def _overflow() -> str:
    detail = "more changed than you read: read the lists again, and subscribe to what you show"
    return envelope("error", json_of(Problem("urn:quaero:overflow", "overflow", 429, detail)))
