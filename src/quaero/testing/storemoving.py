"""What a store promises to those who follow what moves: commits and trees, children by id."""

from quaero.domain.facts import How
from quaero.domain.status import COMPLETED, PENDING
from quaero.testing.bench import Bench
from quaero.testing.factories import a_child, began


class StoreMoving:
    """Part of `StoreContract`. `bench` comes from it."""

    async def test_every_tree_that_moves_and_every_new_root_is_named(self, bench: Bench) -> None:
        """Once for each commit; from any position on, and not what was known before."""
        quiet = await bench.root()
        old = await bench.running()
        commit, root = await bench.store.newest()
        assert (await bench.store.trees_since(commit, root, ())).roots == []

        new = await bench.root()
        await bench.hand.end(old, how=How.COMPLETED)
        found = await bench.store.trees_since(commit, root, ())

        assert set(found.roots) == {old.id, new}
        assert quiet not in found.roots
        assert found.newest_root == new
        assert (await bench.store.trees_since(commit, found.newest_root, found.commits)).roots == []
        later = await bench.store.newest()
        assert (await bench.store.trees_since(*later, ())).commits == []

    async def test_children_beyond_an_id_come_in_order_with_their_status(self, bench: Bench) -> None:
        """Of this parent only, as many as asked for."""
        parent, children = await bench.family(5)
        [first] = await bench.hand.take(1, root_id=parent.id)
        deeper = await bench.hand.spawn(first, [a_child()])
        await bench.hand.end(first)

        codes = {child: int(PENDING) for child in children} | {first.id: int((await bench.job(first.id)).status)}

        assert await bench.store.children_after(parent.id, 0, limit=100) == sorted(codes.items())
        assert await bench.store.children_after(parent.id, children[2], limit=1) == [(children[3], int(PENDING))]
        assert await bench.store.children_after(first.id, 0, limit=9) == [(deeper[0], int(PENDING))]
        assert codes[first.id] < int(COMPLETED)  # it waits for its child

    async def test_the_newest_child_is_known_also_as_of_a_time(self, bench: Bench) -> None:
        """So that whoever has a map of then knows which children came after it."""
        parent, children = await bench.family(3)
        bench.clock.move(60)
        between = bench.clock.now()
        bench.clock.move(60)
        await bench.hand.renew()
        more = await bench.hand.spawn(parent, [a_child(payload={"more": n}) for n in range(2)])

        assert await bench.store.newest_child(parent.id) == more[-1]
        assert await bench.store.newest_child(parent.id, before=between) == children[-1]
        assert await bench.store.newest_child(parent.id, before=1) == 0
        assert await bench.store.newest_child(children[0]) == 0

    async def test_the_child_that_began_last_is_found_while_it_runs(self, bench: Bench) -> None:
        """Of this parent only; none when none runs."""
        parent, _ = await bench.family(3)
        first, second = await bench.hand.take(2, root_id=parent.id)
        assert await bench.store.running_child(parent.id) is None
        await bench.hand.tell(began(first, 1_000), began(second, 2_000))
        found = await bench.store.running_child(parent.id)
        await bench.hand.end(second)
        other = await bench.store.running_child(parent.id)

        assert found is not None
        assert other is not None
        assert (found.id, other.id) == (second.id, first.id)
        assert await bench.store.running_child(first.id) is None
