"""Bulk actions: done once, whole, in bounded steps, whoever dies on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.engine.examined import examined

from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.engine.lifecycle import bulk, workers
from quaero.engine.lifecycle.bulk import Account, Order, order
from quaero.engine.lifecycle.cancel import advance
from quaero.engine.lifecycle.reserve import promote
from quaero.engine.worker.clerk import Clerk
from quaero.storage.port import EntryFilter, JobFilter
from quaero.testing import Bench, FakeClock
from quaero.testing.factories import a_root

pytestmark = pytest.mark.anyio
S = JobStatus
ROOTS = JobFilter(roots=True, descending=False)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with examined(tmp_path, FakeClock()) as bench:
        yield bench


async def ask(bench: Bench, action: bulk.Action, where: JobFilter = ROOTS, **options: Any) -> Job:
    return await bench.store.write(order, Order(action=action, asked={}, where=where, **options))


class Office:
    """A clerk at work for a worker, until it is sent home or dies."""

    def __init__(self, bench: Bench, worker_id: int | None = None) -> None:
        self.bench = bench
        self.clerk = Clerk(bench.store, bench.clock, lambda: None)
        self.clerk.worker_id = worker_id or bench.hand.worker_id
        self.working = asyncio.ensure_future(self.clerk.work())

    async def until(self, job: Job, done: Any = lambda job: job.is_terminal) -> Job:
        """The job as it is when it is done."""
        async with asyncio.timeout(30):
            while not done(found := await self.bench.job(job.id)):
                self.clerk.stir()
                await self.bench.together(lambda ledger: advance(ledger, 1_000), promote)
        return found

    async def die(self) -> None:
        self.working.cancel()
        with suppress(asyncio.CancelledError):
            await self.working


def account(job: Job) -> Account:
    assert job.result is not None
    return msgspec.json.decode(job.result, type=Account)


@pytest.mark.parametrize(("action", "end"), [("cancel", S.CANCELLED), ("retry", S.PENDING)])
async def test_every_job_of_the_filter_is_acted_on_and_no_other(bench: Bench, action: bulk.Action, end: S) -> None:
    first = await bench.root(*(a_root(tags=("ours",)) for _ in range(7)))
    other = await bench.root()
    ours = list(range(first, first + 7))
    before = S.PENDING
    if action == "retry":
        await bench.hand.drain(lambda job: How.FAILED if job.attempt >= 0 else How.COMPLETED)
        await bench.finish(lambda job: How.FAILED)
        before = S.FAILED

    job = await ask(bench, action, replace(ROOTS, tag="ours"), total=7)
    office = Office(bench)
    done = await office.until(job)
    await office.die()

    assert done.status == S.COMPLETED
    assert await bench.statuses(ours) == [end] * 7
    assert await bench.status(other) == before
    assert (account(done).jobs, account(done).affected, account(done).refused) == (7, 7, 0)
    assert msgspec.json.decode(done.progress or b"")["current"] == 7


async def test_a_refusal_is_counted_and_told_and_the_rest_goes_on(bench: Bench) -> None:
    [root] = [await bench.root()]
    await bench.finish()
    open_one = await bench.root()

    job = await ask(bench, "cancel", replace(ROOTS, other_than=bulk.KIND))
    office = Office(bench)
    done = await office.until(job)
    await office.die()

    said = [entry.message for entry in await bench.entries(job.id)]
    assert (account(done).jobs, account(done).affected, account(done).refused) == (2, 1, 1)
    assert await bench.status(open_one) == S.CANCELLED
    assert any(f"job {root} is completed" in line for line in said)


async def test_deleting_leaves_what_was_made_after_it_was_asked_for(bench: Bench) -> None:
    old = await bench.root()
    await bench.finish()
    job = await ask(bench, "delete", replace(ROOTS, statuses=(S.COMPLETED,)))
    new = await bench.root()
    await bench.finish()

    office = Office(bench)
    await office.until(job)
    await office.die()

    assert await bench.store.job(old) is None
    assert await bench.status(new) == S.COMPLETED


@pytest.mark.parametrize("gracious", [True, False])
async def test_each_job_is_rerun_once_although_its_worker_dies_on_the_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, gracious: bool
) -> None:
    monkeypatch.setattr(bulk, "MOST_JOBS", 1)
    await bench.root(*(a_root(tags=("ours",)) for _ in range(9)))
    await bench.finish()
    where = replace(ROOTS, tag="ours")

    job = await ask(bench, "rerun", where)
    first = Office(bench)
    await first.until(job, lambda job: job.result is not None and account(job).jobs >= 3)
    await first.die()
    if gracious:
        await first.clerk.put_down()
    await bench.store.write(workers.leave, bench.hand.worker_id)
    bench.clock.move(60)
    second = Office(bench, await bench.store.write(workers.register, "another", "here", 2, 60_000_000))
    done = await second.until(job)
    await second.die()

    page = await bench.store.jobs(where)
    assert page.total == 18
    assert account(done).jobs == 9
    assert done.attempt == (1 if gracious else 2)


async def test_a_stretch_of_children_is_cancelled_once_although_a_worker_dies_between_two_batches(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST_JOBS", 4)
    parent, ids = await bench.family(20)
    running = await bench.hand.take(2, root_id=parent.id)
    await bench.hand.begin(*running)
    chosen = JobFilter(parent_id=parent.id, children=(ids[0], ids[-3]), descending=False)

    job = await ask(bench, "cancel", chosen)
    first = Office(bench, await bench.store.write(workers.register, "one", "here", 2, 60_000_000))
    await first.until(job, lambda job: job.result is not None and account(job).jobs >= 8)
    await first.die()
    await bench.store.write(workers.leave, first.clerk.worker_id)
    bench.clock.move(60)
    await bench.hand.renew()
    second = Office(bench, await bench.store.write(workers.register, "another", "here", 3, 60_000_000))
    done = await second.until(job)
    await second.die()
    await bench.hand.end(*running, how=How.CANCELLED)
    await bench.settle()

    assert (account(done).jobs, account(done).affected, account(done).refused) == (18, 18, 0)
    assert await bench.statuses(ids) == [S.CANCELLED] * 18 + [S.PENDING] * 2
    requests = [entry.job_id for entry in await bench.entries(parent.id) if entry.message == "Cancel requested"]
    assert requests == ids[:-2]


async def test_a_bulk_that_is_cancelled_stops_between_two_batches(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST_JOBS", 1)
    first = await bench.root(*(a_root() for _ in range(50)))
    where = replace(ROOTS, other_than=bulk.KIND)

    job = await ask(bench, "cancel", where)
    office = Office(bench)
    await office.until(job, lambda job: job.result is not None)
    await bench.cancel(job.id)
    done = await office.until(job)
    await office.die()

    assert done.status == S.CANCELLED
    assert S.PENDING in await bench.statuses(range(first, first + 50))


async def test_a_worker_that_works_on_one_tree_leaves_bulks_to_others(bench: Bench) -> None:
    job = await ask(bench, "cancel")
    clerk = Clerk(bench.store, bench.clock, lambda: 1)
    clerk.worker_id = bench.hand.worker_id
    working = asyncio.ensure_future(clerk.work())
    clerk.stir()
    await bench.store.entries(job.id, EntryFilter())
    working.cancel()

    assert await bench.status(job.id) == S.PENDING


async def test_executors_are_never_given_a_bulk(bench: Bench) -> None:
    await ask(bench, "cancel")

    assert await bench.hand.take() == []
