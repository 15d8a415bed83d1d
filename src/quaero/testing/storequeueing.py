"""The store's contract, second part: who gets what next, by priority, turn, limit and time."""

from itertools import pairwise

from quaero.domain.facts import How
from quaero.domain.status import JobStatus
from quaero.engine.lifecycle.enqueue import enqueue
from quaero.engine.lifecycle.workers import sweep_workers
from quaero.storage.port import Latency
from quaero.testing.bench import Bench
from quaero.testing.contract import StoreTests
from quaero.testing.factories import a_child, a_definition, a_limit, a_root, a_step, began, ended

MANY = 5_000
SECOND = 1_000_000  # microseconds


class StoreQueueing(StoreTests):
    """Fairness, priorities, limits and delays."""

    async def test_a_small_tree_behind_a_large_one_is_taken_next(self, bench: Bench) -> None:
        """A tree of one job does not wait for five thousand children of another."""
        parent = await bench.running()
        await bench.hand.spawn(parent, [a_child(payload={"n": n}) for n in range(MANY)])
        await bench.hand.take(10)
        small = await bench.root()
        taken = await bench.hand.take(10)
        assert small in [job.id for job in taken]
        assert len(taken) == 10

    async def test_trees_take_turns_when_jobs_are_taken_one_by_one(self, bench: Bench) -> None:
        """No tree gets two turns while another waits for its first."""
        roots = []
        for _ in range(3):
            parent = await bench.running()
            roots.append(parent.id)
            await bench.hand.spawn(parent, [a_child(payload={"n": n}) for n in range(5)])
        got = []
        for _ in range(6):
            bench.clock.move(0.001)
            got += [job.root_id for job in await bench.hand.take(1)]
        assert sorted(got[:3]) == sorted(got[3:]) == roots

    async def test_a_higher_priority_goes_first(self, bench: Bench) -> None:
        """Whatever came earlier; within one priority nothing is left behind."""
        low = [await bench.root(a_root(priority=-1)) for _ in range(2)]
        bench.clock.move(1)  # what came first would be served first, were it not for the priorities
        usual = [await bench.root() for _ in range(2)]
        bench.clock.move(1)
        high = [await bench.root(a_root(priority=5)) for _ in range(2)]
        got = [sorted(job.id for job in await bench.hand.take(2)) for _ in range(3)]
        assert got == [high, usual, low]

    async def test_only_what_was_asked_for_is_given(self, bench: Bench) -> None:
        """By kind and by tree."""
        await bench.root()
        wanted = await bench.root(a_root("other"))
        assert [job.id for job in await bench.hand.take(kinds=["other"])] == [wanted]
        third = await bench.root()
        assert [job.id for job in await bench.hand.take(root_id=third)] == [third]

    async def test_a_limit_key_bounds_how_many_run_at_once(self, bench: Bench) -> None:
        """Over all trees that use it; an end makes room for one more."""
        for _ in range(2):
            parent = await bench.running()
            await bench.hand.spawn(parent, [a_child(payload={"n": n}, limit=a_limit("h", 3)) for n in range(4)])
        first = await bench.hand.take()
        assert len(first) == 3
        assert await bench.hand.take() == []
        await bench.hand.end(first[0])
        assert len(await bench.hand.take()) == 1
        assert await bench.hand.take() == []

    async def test_a_limit_key_keeps_starts_apart(self, bench: Bench) -> None:
        """One at a time, though more would be allowed at once, and the store says when the next may begin."""
        parent = await bench.running()
        limit = a_limit("slow", at_once=10, apart=2 * SECOND)
        await bench.hand.spawn(parent, [a_child(payload={"n": n}, limit=limit) for n in range(3)])
        assert len(await bench.hand.take()) == 1
        assert await bench.hand.take() == []
        due = await bench.store.write(lambda ledger: ledger.find.next_due())
        assert due == bench.clock.now() + 2 * SECOND
        bench.clock.move(1.9)
        assert await bench.hand.take() == []
        bench.clock.move(0.1)
        assert len(await bench.hand.take()) == 1

    async def test_what_another_limit_holds_back_does_not_hold_back_others(self, bench: Bench) -> None:
        """A full key leaves the rest of the tree to run."""
        parent = await bench.running()
        children = [a_child(payload={"n": n}, limit=a_limit(f"h{n % 2}", 1)) for n in range(6)]
        free = await bench.hand.spawn(parent, [*children, a_child()])
        taken = [job.id for job in await bench.hand.take()]
        assert sorted(taken) == [free[0], free[1], free[6]]

    async def test_a_step_limit_bounds_the_children_of_its_step(self, bench: Bench) -> None:
        """And only those."""
        root_id, ids = await bench.definition(a_definition(a_step("narrow", limit=2), a_step("wide")))
        steps = {job.id: job for job in await bench.hand.take(root_id=root_id)}
        for step_id in ids.values():
            await bench.hand.spawn(steps[step_id], [a_child(payload={"n": n}) for n in range(4)])
        await bench.hand.end(*steps.values())
        taken = [job.step_id for job in await bench.hand.take()]
        assert (taken.count(ids["narrow"]), taken.count(ids["wide"])) == (2, 4)

    async def test_a_delayed_job_is_ready_when_its_time_has_come(self, bench: Bench) -> None:
        """Not a moment before, and `next_due` names the moment."""
        root_id = await bench.root(a_root(run_at=bench.clock.now() + 5 * SECOND))
        assert await bench.hand.take() == []
        assert await bench.store.write(lambda ledger: ledger.find.next_due()) == bench.clock.now() + 5 * SECOND
        bench.clock.move(4.999)
        assert await bench.hand.take() == []
        bench.clock.move(0.001)
        assert [job.id for job in await bench.hand.take()] == [root_id]

    async def test_a_dependent_is_ready_when_what_it_waits_for_is_done(self, bench: Bench) -> None:
        """Both of them."""
        parent, waited_for = await bench.family(2)
        [last] = await bench.hand.spawn(parent, [a_child(after=tuple(waited_for))])
        first, second = await bench.hand.take()
        assert [first.id, second.id] == waited_for
        await bench.hand.end(first)
        assert await bench.hand.take() == []
        await bench.hand.end(second)
        assert [job.id for job in await bench.hand.take()] == [last]

    async def test_stats_count_every_job_by_status(self, bench: Bench) -> None:
        """As the rows do, with the live workers and the pace of the last minute."""
        await bench.store.write(enqueue, [a_root() for _ in range(5)])
        jobs = await bench.hand.take(4)
        await bench.hand.begin(jobs[0])
        await bench.hand.end(*jobs[1:3])
        stats = await bench.store.stats()
        assert (stats.counts.pending, stats.counts.running, stats.counts.completed) == (2, 1, 2)
        assert stats.throughput == 2.0
        assert [worker.id for worker in stats.workers] == [bench.hand.worker_id]
        assert await bench.statuses([jobs[0].id]) == [JobStatus.RUNNING]
        bench.clock.move(61)
        later = await bench.store.stats()
        assert (later.throughput, later.workers) == (0.0, [])
        await bench.store.write(sweep_workers)

    async def test_history_tells_what_stats_told_at_each_moment(self, bench: Bench) -> None:
        """Every ten seconds of the last ten minutes; before anything happened it is nothing."""
        await bench.store.write(enqueue, [a_root() for _ in range(40)])
        jobs = iter(await bench.hand.take(40))
        second = bench.clock.now() // SECOND
        bench.clock.move(10 - second % 10)
        then: dict[int, tuple[float, Latency | None]] = {}
        for n in (3, 0, 1, 0, 0, 5, 2, 0, 0, 0, 0, 0, 0, 0, 4):
            began_at = bench.clock.now()
            bench.clock.move(5)
            await bench.hand.renew()
            await bench.hand.tell(*(ended(next(jobs), began_at=began_at) for _ in range(n)))
            bench.clock.move(5)
            stats = await bench.store.stats()
            then[bench.clock.now()] = stats.throughput, stats.latency
        moments = await bench.store.history()
        told = {moment.at: (moment.throughput, moment.latency) for moment in moments}
        assert len(moments) == 60
        assert [after.at - before.at for before, after in pairwise(moments)] == [10 * SECOND] * 59
        assert {at: told[at] for at in then} == then
        assert all(value == (0.0, None) for at, value in told.items() if at < min(then))
        bench.clock.move(9.9)
        assert await bench.store.history() == moments

    async def test_latency_is_the_wait_from_ready_to_start(self, bench: Bench) -> None:
        """Counted from when a job could have started: not while it was delayed or blocked, nor in earlier attempts."""
        assert (await bench.store.stats()).latency is None
        ids = [await bench.root(a_root(run_at=bench.clock.now() + 100 * SECOND)) for _ in range(20)]
        bench.clock.move(100.01)
        await bench.hand.renew()
        jobs = await bench.hand.take()
        await bench.hand.tell(*(began(job, bench.clock.now()) for job in jobs[:19]))
        bench.clock.move(2)
        await bench.hand.tell(ended(jobs[19], began_at=bench.clock.now()))
        latency = (await bench.store.stats()).latency
        assert latency is not None
        assert len(jobs) == len(ids)
        assert 10_000 <= latency.p50 <= latency.p95 <= 12_500
        assert 2_010_000 <= latency.most <= 2_010_200
        await bench.hand.tell(*(ended(job, How.REFUNDED) for job in jobs[:19]))
        bench.clock.move(61)
        await bench.hand.renew()
        assert (await bench.store.stats()).latency is None
        for job in await bench.hand.take():
            await bench.hand.tell(ended(job, began_at=bench.clock.now()))
        again = (await bench.store.stats()).latency
        assert again is not None
        assert 61_000_000 <= again.most <= 61_000_200
