"""A store, a clock and one worker by hand on a table: what most tests of the lifecycle begin with."""

from collections.abc import Callable, Sequence
from typing import Any

from quaero.domain.definitions import Definition
from quaero.domain.entries import Entry
from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.engine.lifecycle.cancel import Acted, advance, cancel
from quaero.engine.lifecycle.definitions import run_definition
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.engine.lifecycle.retry import retry
from quaero.engine.protocol import KindInfo
from quaero.storage.port import EntryFilter, Ledger, Store
from quaero.testing.clock import FakeClock
from quaero.testing.drive import LEASE, Hand
from quaero.testing.factories import KIND, a_child, a_root


class Bench:
    """A store under test. `hand` is a worker that knows every kind given to `set_up`."""

    def __init__(self, store: Store, clock: FakeClock, hand: Hand) -> None:
        self.store = store
        self.clock = clock
        self.hand = hand

    @classmethod
    async def set_up(
        cls, store: Store, clock: FakeClock, kinds: Sequence[KindInfo | str] = (KIND, "other"), lease: int = LEASE
    ) -> "Bench":
        """Make a bench with one worker. `lease` in microseconds."""
        return cls(store, clock, await Hand.start(store, kinds, lease))

    async def together(self, *scripts: Callable[[Ledger], Any]) -> list[Any]:
        """Run scripts in one commit, in this order."""
        return await self.store.write(lambda ledger: [script(ledger) for script in scripts])

    async def root(self, *requests: NewJob) -> int:
        """Accept roots (one of the usual kind if none is given); the id of the first."""
        accepted = await self.store.write(enqueue, requests or (a_root(),))
        return accepted[0].id

    async def running(self, *requests: NewJob) -> Job:
        """Accept a root, reserve it and begin it; its reservation."""
        root_id = await self.root(*requests)
        [job] = await self.hand.take(root_id=root_id)
        await self.hand.begin(job)
        return job

    async def family(self, n: int = 3, *requests: NewJob) -> tuple[Job, list[int]]:
        """A running root with `n` pending children."""
        parent = await self.running(*requests)
        return parent, await self.hand.spawn(parent, [a_child(payload={"n": i}) for i in range(n)])

    async def definition(self, definition: Definition) -> tuple[int, dict[str, int]]:
        """Run a definition: the id of its root, and its steps' ids by name."""
        root_id = await self.store.write(run_definition, definition)
        return root_id, {step.name or "": step.id for step in await self.store.steps(root_id)}

    async def job(self, job_id: int) -> Job:
        """A job as it stands. Raises LookupError when there is none."""
        job = await self.store.job(job_id)
        if job is None:
            raise LookupError(f"there is no job {job_id}")
        return job

    async def status(self, job_id: int) -> JobStatus:
        """Where a job stands."""
        return JobStatus((await self.job(job_id)).status)

    async def statuses(self, ids: Sequence[int]) -> list[JobStatus]:
        """Where jobs stand, in order of id."""
        return [JobStatus(job.status) for job in await self.store.jobs_by_id(list(ids))]

    async def cancel(self, job_id: int) -> Acted:
        """Cancel a job and everything below it."""
        return await self.store.write(cancel, job_id)

    async def retry(self, job_id: int, *, failed_children: bool = False, fingerprint: str | None = None) -> Acted:
        """Open a new round."""
        return await self.store.write(retry, job_id, failed_children, fingerprint)

    async def settle(self) -> None:
        """Do what workers do between rounds: advance cancellations until there is nothing to do now."""
        while await self.store.write(advance, 1_000):
            pass

    async def entries(self, root_id: int, **where: Any) -> list[Entry]:
        """The whole journal of a tree, filtered by the fields of `EntryFilter`."""
        page = await self.store.entries(root_id, EntryFilter(**where), limit=1_000_000)
        return page.entries

    async def finish(self, how: Callable[[Job], How] = lambda job: How.COMPLETED) -> list[Job]:
        """Run everything that is ready, and what becomes ready by time, until nothing is left to do."""
        done: list[Job] = []
        while True:
            done += await self.hand.drain(how)
            await self.settle()
            due = await self.store.write(lambda ledger: ledger.find.next_due())
            if not due:
                return done
            self.clock.move(max(0, due - self.clock.now()) / 1_000_000)
            await self.hand.renew()
