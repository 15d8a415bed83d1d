"""A bulk action beside workers that claim or end the jobs it acts on: each job has one outcome."""

import pytest
from tests.contract.sessions import Table, soon

from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle import bulk
from quaero.engine.lifecycle.bulk import Action, Order, Stand, order, work
from quaero.storage.port import JobFilter, Ledger
from quaero.testing.factories import began, ended

pytestmark = pytest.mark.anyio


class Bulk:
    """A bulk action on the children of a parent, run by the first session's worker."""

    def __init__(self, table: Table, job: Job) -> None:
        self._worker_id = table.hands[0].worker_id
        self._job = job
        self.end = ended(job)

    @classmethod
    async def begun(cls, table: Table, action: Action, parent: Job, ids: list[int]) -> "Bulk":
        where = JobFilter(parent_id=parent.id, children=(ids[0], ids[-1]), descending=False)
        await table.bench.store.write(order, Order(action=action, asked={}, where=where))
        [job] = await table.hands[0].take(1, [bulk.KIND], root_id=0)
        await table.hands[0].begin(job)
        return cls(table, job)

    def batch(self, ledger: Ledger) -> Stand:
        return work(ledger, self._worker_id, self._job.id, self._job.epoch)


async def cancel_requests(table: Table, parent: Job) -> list[int]:
    return sorted(e.job_id for e in await table.bench.entries(parent.id) if e.message == "Cancel requested")


async def test_a_bulk_waits_for_a_claim_of_what_it_cancels_and_the_worker_can_record_nothing(table: Table) -> None:
    parent, ids = await table.bench.family(4)
    cancelling = await Bulk.begun(table, "cancel", parent, ids)

    held = await table.hold(1, table.hands[1].taking(2))
    batch = soon(table.stores[0].write(cancelling.batch))
    await table.waits(batch)
    taken = await held.commit()
    assert await batch is Stand.DONE
    recorded = await table.hands[1].tell(*(began(job) for job in taken))

    assert {job_id for job_id, _ in recorded.stale} == {job.id for job in taken}
    assert await table.bench.statuses(ids) == [S.CANCELLED] * 4
    assert await cancel_requests(table, parent) == ids
    await table.hands[0].tell(cancelling.end)


async def test_claims_go_on_beside_a_bulk_and_take_what_it_leaves(table: Table) -> None:
    parent, ids = await table.bench.family(5)
    cancelling = await Bulk.begun(table, "cancel", parent, ids[:3])

    held = await table.hold(0, cancelling.batch)
    taken = await table.hands[1].take(10)
    assert await held.commit() is Stand.DONE

    assert [job.id for job in taken] == ids[3:]
    assert await table.bench.statuses(ids) == [S.CANCELLED] * 3 + [S.PENDING] * 2
    await table.hands[0].tell(cancelling.end)


async def test_an_end_that_meets_a_bulk_has_one_winner(table: Table) -> None:
    parent, ids = await table.bench.family(3)
    [running] = await table.hands[1].take(1)
    await table.hands[1].begin(running)
    cancelling = await Bulk.begun(table, "cancel", parent, ids)

    held = await table.hold(1, table.hands[1].telling(ended(running)))
    batch = soon(table.stores[0].write(cancelling.batch))
    await table.waits(batch)
    await held.commit()
    assert await batch is Stand.DONE
    await table.bench.settle()

    assert await table.bench.statuses(ids) == [S.COMPLETED, S.CANCELLED, S.CANCELLED]
    assert await cancel_requests(table, parent) == ids[1:]
    await table.hands[0].tell(cancelling.end)


async def test_what_was_listed_by_a_bulk_ends_cancelled_however_it_ends(table: Table) -> None:
    parent, ids = await table.bench.family(3)
    [running] = await table.hands[1].take(1)
    await table.hands[1].begin(running)
    cancelling = await Bulk.begun(table, "cancel", parent, ids)

    held = await table.hold(0, cancelling.batch)
    ending = soon(table.hands[1].end(running, how=How.FAILED))
    await table.waits(ending)
    await held.commit()
    await ending
    await table.bench.settle()

    assert await table.bench.statuses(ids) == [S.CANCELLED] * 3
    assert (await table.bench.job(parent.id)).tally.cancelled == 3
    await table.hands[0].tell(cancelling.end)
