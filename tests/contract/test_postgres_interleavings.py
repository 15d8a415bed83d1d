"""Two and three sessions of one PostgreSQL store, step by step: one holds its transaction open, others come.

What else each pair of moves does to each other is in `test_postgres_pairs`.
"""

from typing import Any

import pytest
from tests.contract.sessions import Table, heard, soon, two_held

from quaero.domain.errors import QuaeroError
from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle.cancel import cancel
from quaero.engine.lifecycle.enqueue import enqueue
from quaero.engine.lifecycle.workers import sweep_workers
from quaero.testing.factories import a_child, a_root, ended, lines, spawned

pytestmark = pytest.mark.anyio


async def test_a_number_that_is_not_committed_holds_back_all_later_ones(table: Table) -> None:
    parent, first, second = await two_held(table)

    held = await table.hold(0, table.hands[0].telling(lines(first, "first")))
    later = soon(table.hands[1].say(second, "second"))
    await table.waits(later)

    assert await heard(table, parent.id) == []
    await held.commit()
    await later
    assert await heard(table, parent.id) == ["first", "second"]


async def test_an_append_that_is_rolled_back_leaves_no_hole(table: Table) -> None:
    parent, first, second = await two_held(table)

    held = await table.hold(0, table.hands[0].telling(lines(first, "never")))
    later = soon(table.hands[1].say(second, "kept"))
    await table.waits(later)
    await held.roll_back()
    await later

    assert await heard(table, parent.id) == ["kept"]


async def test_a_claim_passes_by_what_another_is_claiming(table: Table) -> None:
    await table.bench.family(6)

    held = await table.hold(0, table.hands[0].taking(3))
    theirs = await table.hands[1].take(3)
    mine = await held.commit()

    assert len({job.id for job in mine} | {job.id for job in theirs}) == 6


async def test_a_claim_that_is_rolled_back_leaves_its_jobs_to_others(table: Table) -> None:
    _, children = await table.bench.family(4)

    held = await table.hold(0, table.hands[0].taking(4))
    assert await table.hands[1].take(4) == []
    await held.roll_back()

    assert [job.id for job in await table.hands[1].take(4)] == children


async def test_the_last_two_children_that_end_at_once_close_their_parent_once(table: Table) -> None:
    parent, first, second = await two_held(table)
    await table.hands[0].end(parent)

    held = await table.hold(0, table.hands[0].telling(ended(first)))
    other = soon(table.hands[1].end(second))
    await table.waits(other)
    assert await table.bench.status(parent.id) == S.WAITING
    await held.commit()
    await other

    job = await table.bench.job(parent.id)
    assert (S(job.status), job.tally.completed) == (S.COMPLETED, 2)


async def test_a_cancel_waits_for_a_claim_and_reaches_what_it_took(table: Table) -> None:
    parent, _ = await table.bench.family(3)
    [one] = await table.hands[0].take(1)  # so that the claim below has nothing to do with the parent's row
    await table.hands[0].begin(one)

    held = await table.hold(1, table.hands[1].taking(1))
    cancelling = soon(table.stores[2].write(cancel, parent.id))
    await table.waits(cancelling)
    [taken] = await held.commit()
    await cancelling

    assert (await table.bench.job(taken.id)).status == S.CANCELLED or (await table.bench.job(taken.id)).owner is None
    assert (await table.hands[1].tell(ended(taken))).stale


async def test_nothing_is_claimed_under_a_cancel_that_is_about_to_commit(table: Table) -> None:
    parent, _ = await table.bench.family(300)  # more than are closed with the cancel itself
    other = await table.bench.root()

    held = await table.hold(2, lambda ledger: cancel(ledger, parent.id))
    taken = await table.hands[1].take(1_000)
    await held.commit()

    assert [job.id for job in taken] == [other]
    assert await table.hands[1].take(1_000) == []
    await table.bench.settle()
    await table.hands[0].end(parent)


async def test_a_spawn_that_meets_a_cancel_is_stopped_by_it(table: Table) -> None:
    parent = await table.bench.running()

    held = await table.hold(0, table.hands[0].telling(spawned(parent, [a_child()])))
    cancelling = soon(table.stores[2].write(cancel, parent.id))
    await table.waits(cancelling)
    [child_id] = (await held.commit()).answers[0].ids
    await cancelling
    await table.bench.settle()

    assert await table.bench.status(child_id) == S.CANCELLED
    await table.hands[0].end(parent)


async def test_a_cancel_that_meets_a_spawn_lets_nothing_be_spawned(table: Table) -> None:
    parent = await table.bench.running()

    held = await table.hold(2, lambda ledger: cancel(ledger, parent.id))
    spawning = soon(table.hands[0].tell(spawned(parent, [a_child()])))
    await table.waits(spawning)
    await held.commit()

    [answer] = (await spawning).answers
    assert answer.error is not None
    assert "being cancelled" in answer.error
    await table.hands[0].end(parent)


async def test_an_end_that_meets_the_sweep_counts_if_it_came_first(table: Table) -> None:
    _, _, second = await two_held(table)
    table.bench.clock.move(30)
    for hand in (table.hands[0], table.hands[2]):
        await hand.renew()

    held = await table.hold(1, table.hands[1].telling(ended(second)))
    sweeping = soon(table.stores[2].write(sweep_workers))
    await table.waits(sweeping)
    await held.commit()

    assert [given for _, given in await sweeping] == [0]
    assert await table.bench.status(second.id) == S.COMPLETED


async def test_an_end_that_meets_the_sweep_is_stale_if_it_came_second(table: Table) -> None:
    _, _, second = await two_held(table)
    table.bench.clock.move(30)
    for hand in (table.hands[0], table.hands[2]):
        await hand.renew()

    held = await table.hold(2, sweep_workers)
    ending = soon(table.hands[1].end(second))
    await table.waits(ending)
    await held.commit()

    assert (await ending).stale == [(second.id, second.epoch)]
    assert await table.bench.status(second.id) == S.PENDING


async def test_a_worker_that_is_being_swept_reserves_nothing(table: Table) -> None:
    await table.bench.root()
    table.bench.clock.move(30)
    for hand in (table.hands[0], table.hands[2]):
        await hand.renew()

    held = await table.hold(2, sweep_workers)
    assert await table.hands[1].take() == []
    await held.commit()
    assert await table.hands[1].take() == []
    assert len(await table.hands[0].take()) == 1


async def test_a_worker_that_reserves_is_not_swept_in_the_middle(table: Table) -> None:
    root_id = await table.bench.root()
    table.bench.clock.move(30)
    for hand in (table.hands[0], table.hands[2]):
        await hand.renew()

    held = await table.hold(1, table.hands[1].taking())
    assert await table.stores[2].write(sweep_workers) == []
    await held.commit()
    [(_, given)] = await table.stores[2].write(sweep_workers)

    assert given == 1
    assert [job.id for job in await table.hands[0].take()] == [root_id]


async def test_one_key_asked_for_twice_at_once_makes_one_root(table: Table) -> None:
    held = await table.hold(0, lambda ledger: enqueue(ledger, [a_root(key="k")]))
    second = soon(table.stores[1].write(enqueue, [a_root(key="k")]))
    await table.waits(second)
    [first] = await held.commit()

    [again] = await second
    assert (again.id, again.created) == (first.id, False)


async def test_one_idempotency_key_used_twice_at_once_gives_one_answer(table: Table) -> None:
    held = await table.hold(0, lambda ledger: enqueue(ledger, [a_root(), a_root()], "once"))
    second = soon(table.stores[1].write(enqueue, [a_root(), a_root()], "once"))
    await table.waits(second)
    first = await held.commit()

    assert [answer.id for answer in await second] == [answer.id for answer in first]
    assert (await table.stores[2].stats()).counts.pending == 2


async def test_what_is_needed_out_of_turn_is_waited_for_in_turn(table: Table) -> None:
    """The first session holds two trees' parents in the order of locks; the second needs them the other way round."""
    parents = [await table.bench.running() for _ in range(2)]
    children = [await table.bench.hand.spawn(parent, [a_child(), a_child()]) for parent in parents]
    mine = {job.id: job for job in await table.hands[0].take(2)}
    theirs = {job.id: job for job in await table.hands[1].take(2)}

    held = await table.hold(0, table.hands[0].telling(*(ended(job) for job in mine.values())))

    def one_after_the_other(ledger: Any) -> None:
        for job in sorted(theirs.values(), key=lambda job: job.id):  # the lower tree first: against the order
            table.hands[1].telling(ended(job))(ledger)

    crossing = soon(table.stores[1].write(one_after_the_other))
    await table.waits(crossing)
    await held.commit()
    await crossing

    for parent, ids in zip(parents, children, strict=True):
        assert await table.bench.statuses(ids) == [S.COMPLETED] * 2
        await table.hands[0].end(parent)


async def test_a_bad_script_beside_an_open_transaction_harms_nobody(table: Table) -> None:
    parent, first, second = await two_held(table)

    held = await table.hold(0, table.hands[0].telling(lines(first, "kept")))
    refused = soon(table.stores[1].write(cancel, 10_000))
    with pytest.raises(QuaeroError):
        await refused
    await held.commit()

    assert await heard(table, parent.id) == ["kept"]
    await table.hands[1].end(second)
