"""Which trees commits recorded something in."""

import pytest

from quaero.testing import Bench
from quaero.testing.factories import a_root

pytestmark = pytest.mark.anyio


async def test_trees_of_one_job_that_end_together_have_moved(bench: Bench) -> None:
    first = await bench.root(a_root(), a_root(), a_root())
    jobs = await bench.hand.take()
    commit, root = await bench.store.newest()

    await bench.hand.end(*jobs)

    moved = await bench.store.trees_since(commit, root, frozenset())
    assert sorted(moved.roots) == [first, first + 1, first + 2]


async def test_trees_whose_children_end_together_have_moved_beside_them(bench: Bench) -> None:
    parent, _ = await bench.family(4)
    lone = await bench.root()
    jobs = await bench.hand.take()
    commit, root = await bench.store.newest()

    await bench.hand.end(*jobs)

    moved = await bench.store.trees_since(commit, root, frozenset())
    assert sorted(moved.roots) == [parent.id, lone]
