"""What a store promises of times: when attempts began and ended, and parents with them."""

from quaero.domain.facts import How
from quaero.domain.status import JobStatus
from quaero.testing.bench import Bench
from quaero.testing.contract import StoreTests
from quaero.testing.factories import a_child, a_definition, a_step, began, ended

MILLISECOND = 1_000


class StoreDating(StoreTests):
    """Jobs are dated by what their executors say, not by commits."""

    async def test_a_job_lasts_as_long_as_its_handler_did(self, bench: Bench) -> None:
        """However late that is recorded, in one commit or in two."""
        await bench.root()
        await bench.root()
        one, two = await bench.hand.take()
        at = bench.clock.now() + 100 * MILLISECOND
        bench.clock.move(0.2)
        await bench.hand.tell(began(two, at))
        bench.clock.move(0.8)
        await bench.hand.tell(*(ended(job, began_at=at, at=at + 300 * MILLISECOND) for job in (one, two)))
        for job in (one, two):
            after = await bench.job(job.id)
            assert (after.started_at, after.finished_at) == (at, at + 300 * MILLISECOND)

    async def test_a_parent_ends_with_the_last_of_its_children(self, bench: Bench) -> None:
        """And not before one that was recorded earlier but ended later; whoever closes it says no later time."""
        root_id, _ = await bench.definition(a_definition(a_step("one")))
        [step] = await bench.hand.take()
        start = bench.clock.now()
        await bench.hand.tell(began(step, start))
        await bench.hand.spawn(step, [a_child(payload={"n": n}) for n in range(3)])
        first, second, third = await bench.hand.take()
        bench.clock.move(1)
        await bench.hand.tell(ended(step, began_at=start, at=start + 1), ended(first, began_at=start, at=start + 900))
        bench.clock.move(1)
        await bench.hand.tell(ended(second, began_at=start, at=start + 500))
        assert (await bench.job(root_id)).status == JobStatus.WAITING
        await bench.hand.tell(ended(third, How.FAILED, began_at=start, at=start + 700))
        bench.clock.move(60)
        await bench.hand.renew()
        await bench.finish()
        last = await bench.job(third.id)
        assert last.started_at == last.finished_at > start + 900
        for job_id in (step.id, root_id):
            after = await bench.job(job_id)
            assert (after.started_at, after.finished_at) == (start, last.finished_at)

    async def test_a_parent_ends_no_earlier_than_a_child_recorded_before_its_last(self, bench: Bench) -> None:
        """Executors are not recorded in the order in which they end; nor does its own function end last."""
        parent, _ = await bench.family(2)
        start = bench.clock.now()
        first, second = await bench.hand.take()
        bench.clock.move(1)
        await bench.hand.tell(ended(parent, began_at=0, at=start + 100), ended(first, began_at=start, at=start + 900))
        bench.clock.move(1)
        await bench.hand.tell(ended(second, began_at=start, at=start + 500))
        assert (await bench.job(second.id)).finished_at == start + 500
        assert (await bench.job(parent.id)).finished_at == start + 900

    async def test_an_executor_whose_clock_is_off_is_held_against_the_stores(self, bench: Bench) -> None:
        """What it says is moved into the time there was, and lasts as long as it said."""
        ids = [await bench.root() for _ in range(2)]
        made = bench.clock.now()
        jobs = {job.id: job for job in await bench.hand.take()}
        bench.clock.move(1)
        hour = 3_600_000 * MILLISECOND
        ahead = ended(jobs[ids[0]], began_at=made + hour, at=made + hour + 300)
        behind = ended(jobs[ids[1]], began_at=made - hour, at=made - hour + 300)
        await bench.hand.tell(ahead, behind)
        spans = [(job.started_at, job.finished_at) for job in [await bench.job(job_id) for job_id in ids]]
        assert spans == [(bench.clock.now() - 300, bench.clock.now()), (made, made + 300)]
