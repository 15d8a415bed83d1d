"""Deep trees and long chains: exact counts at every level, and nothing that grows with the stack."""

import pytest

from quaero.domain.bounds import MAX_DEPTH
from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus as S
from quaero.domain.tally import Tally
from quaero.engine.lifecycle.spawn import spawn
from quaero.storage.port import Ledger
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_definition, a_root, a_step, spawned

pytestmark = pytest.mark.anyio


async def test_four_levels_are_counted_where_the_design_says(bench: Bench) -> None:
    root_id, ids = await bench.definition(a_definition(a_step("a")))
    level = await bench.hand.take()
    for _ in range(3):
        for job in level:
            await bench.hand.spawn(job, [a_child(payload={"n": n}) for n in range(3)])
        await bench.hand.end(*level)
        level = await bench.hand.take()
    await bench.hand.begin(*level[:10])

    assert len(level) == 27
    root, step = await bench.job(root_id), await bench.job(ids["a"])
    assert root.tally == Tally(waiting=1)
    assert root.below == step.below == Tally(pending=17, running=10, waiting=12)
    assert step.tally == Tally(waiting=3)

    await bench.hand.end(*level)

    assert await bench.statuses([root_id, ids["a"]]) == [S.COMPLETED, S.COMPLETED]
    assert (await bench.job(root_id)).below == Tally(completed=39)


async def deep_chain(bench: Bench) -> list[Job]:
    """A chain as deep as a tree may be, every job of it running."""
    job = await bench.running(a_root(max_attempts=1))
    chain = [job]
    for _ in range(MAX_DEPTH):
        await bench.hand.spawn(job, [a_child(max_attempts=1)])
        [job] = await bench.hand.take()
        chain.append(job)
    await bench.hand.begin(job)
    return chain


async def test_a_chain_of_a_thousand_levels_closes_and_opens_without_recursion(bench: Bench) -> None:
    chain = await deep_chain(bench)
    *above, last = chain
    told = await bench.hand.tell(spawned(last, [a_child()]))
    assert "1000 levels deep" in (told.answers[0].error or "")

    await bench.hand.end(*above)
    await bench.hand.end(last, how=How.FAILED)
    assert set(await bench.statuses([job.id for job in chain])) == {S.FAILED}

    await bench.retry(last.id)
    assert await bench.statuses([job.id for job in chain]) == [S.WAITING] * MAX_DEPTH + [S.PENDING]
    await bench.finish()
    assert set(await bench.statuses([job.id for job in chain])) == {S.COMPLETED}


async def test_a_chain_of_a_thousand_levels_is_cancelled_and_retried_whole(bench: Bench) -> None:
    chain = await deep_chain(bench)
    await bench.cancel(chain[0].id)
    await bench.settle()
    await bench.hand.end(*chain, how=How.CANCELLED)
    await bench.settle()
    assert set(await bench.statuses([job.id for job in chain])) == {S.CANCELLED}

    acted = await bench.retry(chain[0].id)

    assert acted.affected == MAX_DEPTH + 1
    await bench.finish()
    assert set(await bench.statuses([job.id for job in chain])) == {S.COMPLETED}


def spawn_chain(ledger: Ledger, parent: Job, n: int) -> list[int]:
    """`n` children, each waiting for the one before."""
    parent = ledger.get(parent.id)
    ids: list[int] = []
    for i in range(n):
        after = (ids[-1],) if ids else ()
        ids += spawn(ledger, parent, spawned(parent, [a_child(payload={"i": i}, after=after, max_attempts=1)]), {}).ids
    return ids


async def test_a_chain_of_ten_thousand_dependents_is_skipped_and_comes_back(bench: Bench) -> None:
    parent = await bench.running(a_root(max_attempts=1))
    ids = await bench.store.write(spawn_chain, parent, 10_000)
    await bench.hand.end(parent)

    [first] = await bench.hand.take()
    await bench.hand.end(first, how=How.FAILED)

    assert first.id == ids[0]
    assert (await bench.job(parent.id)).tally == Tally(failed=1, cancelled=9_999)
    assert await bench.status(parent.id) == S.FAILED

    acted = await bench.retry(first.id)

    assert acted.affected == 10_000
    [again] = await bench.hand.take()
    await bench.hand.end(again)
    assert (await bench.job(parent.id)).tally == Tally(pending=9_999, completed=1)
    assert [job.id for job in await bench.hand.take()] == ids[1:2]


async def test_a_thousand_children_can_wait_for_one_and_one_for_a_thousand(bench: Bench) -> None:
    parent, [first] = await bench.family(1)
    middle = await bench.hand.spawn(parent, [a_child(payload={"n": n}, after=(first,)) for n in range(1_000)])
    [last] = await bench.hand.spawn(parent, [a_child(payload={"last": 1}, after=tuple(middle))])
    await bench.hand.end(parent)

    order = [job.id for job in await bench.hand.drain()]

    assert order == [first, *middle, last]
    assert await bench.status(parent.id) == S.COMPLETED
