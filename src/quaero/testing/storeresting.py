"""What a store promises of limits without room: whoever they hold back comes as soon as there is some."""

from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.testing.bench import Bench
from quaero.testing.contract import StoreTests
from quaero.testing.factories import a_child, a_definition, a_limit, a_step

SECOND = 1_000_000  # microseconds


class StoreResting(StoreTests):
    """No place under a limit stays free while a job that could have it waits."""

    async def test_a_place_goes_to_a_kind_that_somebody_runs(self, bench: Bench) -> None:
        """Though one that nobody runs has waited longer for it."""
        parent = await bench.running()
        key = a_limit("shared", 1)
        await bench.hand.spawn(parent, [a_child(limit=key)])
        [holder] = await bench.hand.take()
        await bench.hand.spawn(parent, [a_child("other", payload={"n": n}, limit=key) for n in range(3)])
        [waiting] = await bench.hand.spawn(parent, [a_child(payload={"late": 1}, limit=key)])
        assert await bench.hand.take() == []
        await bench.hand.end(holder)
        assert [job.id for job in await bench.hand.take(kinds=["work"])] == [waiting]

    async def test_a_place_goes_to_the_one_tree_that_is_worked_on(self, bench: Bench) -> None:
        """Though another tree has waited longer for it."""
        trees: list[Job] = [await bench.running() for _ in range(3)]
        key = a_limit("shared", 1)
        made = [
            (await bench.hand.spawn(tree, [a_child(payload={"n": n}, limit=key) for n in range(2)])) for tree in trees
        ]
        [holder] = await bench.hand.take()
        assert await bench.hand.take() == []
        ours, theirs = [tree for tree in trees if tree.id != holder.root_id]
        assert await bench.hand.take(root_id=ours.id) == []
        await bench.hand.end(holder)
        [job] = await bench.hand.take(root_id=ours.id)
        assert job.id in made[trees.index(ours)]
        await bench.hand.end(job)
        [job] = await bench.hand.take(root_id=theirs.id)
        assert job.id in made[trees.index(theirs)]

    async def test_a_place_that_was_meant_for_what_is_cancelled_goes_to_another(self, bench: Bench) -> None:
        """It was woken for it, and is gone."""
        trees = [await bench.running() for _ in range(3)]
        key = a_limit("shared", 1)
        for tree in trees:
            await bench.hand.spawn(tree, [a_child(payload={"n": n}, limit=key) for n in range(2)])
        [holder] = await bench.hand.take()
        assert await bench.hand.take() == []
        await bench.hand.end(holder)
        for tree in trees[:2]:
            await bench.cancel(tree.id)
            await bench.settle()
        assert [job.root_id for job in await bench.hand.take()] == [trees[2].id]

    async def test_a_place_that_another_limit_keeps_somebody_from_goes_to_the_next(self, bench: Bench) -> None:
        """It was woken for it, and its step turns out to be full."""
        root_id, _ = await bench.definition(a_definition(a_step("one", limit=1)))
        [step] = await bench.hand.take(root_id=root_id)
        other = await bench.running()
        host = a_limit("host", 1)
        await bench.hand.spawn(other, [a_child(limit=host)])
        [holder] = await bench.hand.take()
        await bench.hand.spawn(step, [a_child()])
        assert len(await bench.hand.take()) == 1  # the step is full, and the host is busy
        await bench.hand.spawn(step, [a_child(payload={"first": 1}, limit=host, priority=5)])
        [second] = await bench.hand.spawn(other, [a_child(payload={"second": 1}, limit=host)])
        assert await bench.hand.take() == []
        await bench.hand.end(holder)
        taken = await bench.hand.take() or await bench.hand.take()  # at the latest when a worker is told to look again
        assert [job.id for job in taken] == [second]

    async def test_starts_kept_apart_follow_each_other_when_time_has_come(self, bench: Bench) -> None:
        """Under many keys at once, and what is next is known."""
        parent = await bench.running()
        limits = [a_limit(f"h{n}", 4, apart=(n + 1) * SECOND) for n in range(6)]
        for n in range(2):
            await bench.hand.spawn(parent, [a_child(payload={"n": n}, limit=limit) for limit in limits])
        first = await bench.hand.take()
        assert len(first) == 6
        begin = bench.clock.now()
        for n in range(6):
            assert await bench.hand.take() == []
            assert await bench.store.write(lambda ledger: ledger.find.next_due()) == begin + (n + 1) * SECOND
            bench.clock.move(1)
            assert len(await bench.hand.take()) == 1

    async def test_a_limit_that_becomes_wider_lets_more_begin(self, bench: Bench) -> None:
        """Whoever names a key last says how many."""
        parent = await bench.running()
        await bench.hand.spawn(parent, [a_child(payload={"n": n}, limit=a_limit("h", 1)) for n in range(4)])
        assert len(await bench.hand.take()) == 1
        assert await bench.hand.take() == []
        await bench.hand.spawn(parent, [a_child(payload={"n": 4}, limit=a_limit("h", 3))])
        assert len(await bench.hand.take()) == 2

    async def test_what_comes_back_is_given_again(self, bench: Bench) -> None:
        """A reservation that came to nothing frees its place, and its job may have it."""
        parent = await bench.running()
        made = await bench.hand.spawn(parent, [a_child(payload={"n": n}, limit=a_limit("h", 1)) for n in range(2)])
        for _ in range(2):
            [job] = await bench.hand.take()
            assert job.id in made
            assert await bench.hand.take() == []
            await bench.hand.end(job, how=How.UNTOUCHED)
