"""What a client shows of one job: itself, a definition's steps, what failed; and of the queue: its counts."""

from collections.abc import Iterable, Sequence

from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.domain.wiretree import wire_step
from quaero.gateway.finding import find_job
from quaero.gateway.interest import Row
from quaero.gateway.jobs import failure_group
from quaero.gateway.stateplane import StatePlane
from quaero.gateway.styles import Style
from quaero.gateway.subscription import ROW, Key, Outlet, RowSubscription, Subscription
from quaero.gateway.topics import Subscribe, envelope, json_of

ERRORS = "errors"
MOST_GROUPS = 100
STATS = "queue_stats"


class JobSubscription(RowSubscription):
    """One job; for a definition's root its steps too. With `errors`, the groups of what failed in its tree."""

    def __init__(self, plane: StatePlane, outlet: Outlet, ask: Subscribe, style: Style | None, job_id: int) -> None:
        super().__init__(plane, outlet, ask, style)
        self._job_id = job_id

    async def open(self) -> list[str]:
        """The job as it stands. Raises NotFound."""
        store = self.plane.store
        job = await find_job(store, self._job_id)
        steps = await store.steps(job.id) if job.is_root and job.definition is not None else []
        rows = await self.take([job, *steps])
        parts = self._parts(rows)
        if self.ask.errors:
            parts["errors"] = await self._errors(job)
        return self.rows_messages(rows, [], full=True, **parts)

    def moved(self, row: Row, before: Job | None) -> None:
        """A row is newer; if more has failed, the groups are told anew."""
        super().moved(row, before)
        if self.ask.errors and (before is None or _failed(before) != _failed(row.job)):
            self.outlet.due(self, ERRORS, self._job_id)

    async def news(self, keys: Sequence[Key]) -> tuple[list[Row], dict[str, str]]:
        """The parts that go with changed rows."""
        parts: dict[str, str] = {}
        if self.style is None:
            parts = self._parts(self.plane.interest.rows(job_id for kind, job_id in keys if kind == ROW))
        if any(kind == ERRORS for kind, _ in keys):
            job = self.about(self._job_id)
            parts["errors"] = await self._errors(job) if job is not None else "[]"
        return [], parts

    async def _errors(self, job: Job) -> str:
        return json_of([failure_group(group) for group in (await self.plane.errors(job))[:MOST_GROUPS]])

    def _parts(self, rows: Iterable[Row]) -> dict[str, str]:
        """The tree's head as of these rows, and the steps among them as the tree view tells them."""
        now = self.plane.clock.now()
        parts: dict[str, str] = {}
        steps = []
        for row in rows:
            if row.job.is_root:
                parts["head"] = json_of(row.job.journal_head)
            elif row.job.is_step:
                steps.append(row.made("step", lambda job: wire_step(job, (), now)))
        if steps:
            parts["steps"] = f"[{','.join(steps)}]"
        return parts


def _failed(job: Job) -> tuple[int, int, int]:
    """What differs when something more has failed, or was retried."""
    return job.tally[JobStatus.FAILED], job.below[JobStatus.FAILED], int(job.status == JobStatus.FAILED)


class QueueSubscription(Subscription):
    """The counts of the whole queue."""

    async def open(self) -> list[str]:
        """The counts as they stand."""
        self.plane.queue.watch(self)
        return [self.snapshot(full=True, stats=await self.plane.queue.read())]

    def queue_moved(self) -> None:
        """The counts differ."""
        self.outlet.due(self, STATS, 0)

    async def frames(self, keys: Sequence[Key]) -> list[str]:
        """The counts as they are known."""
        return [envelope(STATS, self.plane.queue.text)]

    def close(self) -> None:
        """Watch nothing any more."""
        self.plane.queue.unwatch(self)
