"""Claim, finish, cancel, sweep, spawn, append: what each does to each other, in both orders where both can be.

The first session has written all but its commit when the second comes. `test_postgres_interleavings` has the others:
append beside append, claim beside claim, finish beside finish, claim and spawn beside cancel, sweep beside claim and
finish.
"""

import asyncio

import pytest
from tests.contract.sessions import Table, heard, soon, two_held

from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle.cancel import cancel
from quaero.engine.lifecycle.enqueue import enqueue
from quaero.engine.lifecycle.retry import retry
from quaero.engine.lifecycle.workers import sweep_workers
from quaero.testing.factories import a_child, a_root, an_error, began, ended, lines, spawned

pytestmark = pytest.mark.anyio


async def two_running(table: Table) -> tuple[Job, Job, Job]:
    """A parent of two children that run, one at the first session's worker, one at the second's."""
    parent, first, second = await two_held(table)
    await table.hands[0].begin(first)
    await table.hands[1].begin(second)
    return parent, first, second


async def lapsed(table: Table, *living: int) -> None:
    """The leases of all workers but these are over."""
    table.bench.clock.move(30)
    for n in living:
        await table.hands[n].renew()


# --- claim


async def test_a_claim_beside_an_end_takes_another_job(table: Table) -> None:
    await table.bench.family(3)
    [mine] = await table.hands[0].take(1)

    held = await table.hold(0, table.hands[0].telling(began(mine), ended(mine)))
    theirs = await table.hands[1].take(10)
    await held.commit()

    assert len(theirs) == 2
    assert mine.id not in {job.id for job in theirs}
    assert await table.bench.status(mine.id) == S.COMPLETED


async def test_a_claim_beside_a_spawn_sees_the_children_after_its_commit(table: Table) -> None:
    parent = await table.bench.running()

    held = await table.hold(0, table.hands[0].telling(spawned(parent, [a_child(), a_child(key="k")])))
    assert await table.hands[1].take(10) == []
    [answer] = (await held.commit()).answers

    assert [job.id for job in await table.hands[1].take(10)] == answer.ids


async def test_a_claim_beside_an_append_waits_for_nothing(table: Table) -> None:
    parent, children = await table.bench.family(2)

    held = await table.hold(0, table.hands[0].telling(lines(parent, "line")))
    taken = await table.hands[1].take(10)
    await held.commit()

    assert [job.id for job in taken] == children
    assert await heard(table, parent.id) == ["line"]


async def test_lines_and_a_claim_of_one_tree_are_both_kept_when_the_claim_came_first(table: Table) -> None:
    parent, children = await table.bench.family(2)

    held = await table.hold(1, table.hands[1].taking(10))
    await table.hands[0].say(parent, "line")
    taken = await held.commit()

    assert [job.id for job in taken] == children
    assert await heard(table, parent.id) == ["line"]


# --- finish


async def test_an_end_that_came_before_a_cancel_stands(table: Table) -> None:
    parent, first, second = await two_running(table)

    held = await table.hold(0, table.hands[0].telling(ended(first)))
    cancelling = soon(table.stores[2].write(cancel, parent.id))
    await table.waits(cancelling)
    await held.commit()
    await cancelling
    await table.hands[1].end(second, how=How.CANCELLED)
    await table.hands[0].end(parent, how=How.CANCELLED)
    await table.bench.settle()

    assert await table.bench.statuses([first.id, second.id]) == [S.COMPLETED, S.CANCELLED]
    job = await table.bench.job(parent.id)
    assert (job.status, job.tally.completed, job.tally.cancelled) == (S.CANCELLED, 1, 1)


async def test_an_end_that_meets_a_cancel_has_one_winner(table: Table) -> None:
    parent, first, second = await two_running(table)

    held = await table.hold(2, lambda ledger: cancel(ledger, parent.id))
    ending = soon(table.hands[0].end(first))
    await table.waits(ending)
    await held.commit()
    await ending
    await table.hands[1].end(second, how=How.CANCELLED)
    await table.hands[0].end(parent, how=How.CANCELLED)
    await table.bench.settle()

    job = await table.bench.job(parent.id)
    assert (job.status, job.tally.completed + job.tally.cancelled) == (S.CANCELLED, 2)
    page = [entry.message for entry in await table.bench.entries(parent.id, job_id=first.id, below=False)]
    assert sum(message.startswith("Status changed: c") for message in page) == 1


async def test_the_last_child_ends_while_its_parent_spawns_another(table: Table) -> None:
    parent, _ = await table.bench.family(1)
    [only] = await table.hands[1].take(1)

    held = await table.hold(0, table.hands[0].telling(spawned(parent, [a_child()]), ended(parent)))
    ending = soon(table.hands[1].end(only))
    await table.waits(ending)
    await held.commit()
    await ending

    assert await table.bench.status(parent.id) == S.WAITING
    [late] = await table.hands[2].take(5)
    await table.hands[2].end(late)
    assert await table.bench.status(parent.id) == S.COMPLETED


async def test_a_parent_ends_while_its_last_child_does(table: Table) -> None:
    parent, _ = await table.bench.family(1)
    [only] = await table.hands[1].take(1)

    held = await table.hold(1, table.hands[1].telling(ended(only)))
    ending = soon(table.hands[0].end(parent))
    await table.waits(ending)
    await held.commit()
    await ending

    assert await table.bench.status(parent.id) == S.COMPLETED


async def test_a_failure_for_good_and_a_sibling_that_ends_are_both_counted(table: Table) -> None:
    parent, first, second = await two_running(table)
    failing = ended(first, How.FAILED, error=an_error("odd", final=True))

    held = await table.hold(0, table.hands[0].telling(failing))
    other = soon(table.hands[1].end(second))
    await table.waits(other)
    await held.commit()
    await other
    await table.hands[0].end(parent)

    job = await table.bench.job(parent.id)
    assert (job.status, job.tally.failed, job.tally.completed) == (S.FAILED, 1, 1)


# --- append


async def test_a_line_said_beside_its_own_end_never_comes_after_it(table: Table) -> None:
    """Two facts of one attempt on two connections, as after a lost answer: the end wins, the line is stale."""
    parent, first, _ = await two_running(table)

    held = await table.hold(0, table.hands[0].telling(ended(first)))
    saying = soon(table.stores[1].write(table.hands[0].telling(lines(first, "too late"))))
    await table.waits(saying)
    await held.commit()

    assert (await saying).stale == [(first.id, first.epoch)]
    assert await heard(table, parent.id) == []


async def test_a_line_beside_a_cancel_is_kept_whichever_came_first(table: Table) -> None:
    parent, first, second = await two_running(table)

    held = await table.hold(0, table.hands[0].telling(lines(first, "before")))
    cancelling = soon(table.stores[2].write(cancel, second.id))
    await table.waits(cancelling)
    await held.commit()
    await cancelling
    held = await table.hold(2, lambda ledger: cancel(ledger, first.id))
    saying = soon(table.hands[0].say(first, "after"))
    await table.waits(saying)
    await held.commit()
    await saying

    assert [message for message in await heard(table, parent.id) if "ancel" not in message] == ["before", "after"]
    await table.hands[0].end(first, how=How.CANCELLED)
    await table.hands[1].end(second, how=How.CANCELLED)
    await table.bench.settle()
    await table.hands[0].end(parent)


async def test_a_line_beside_the_sweep_counts_if_it_came_first_and_is_stale_if_second(table: Table) -> None:
    parent, _, second = await two_running(table)
    await lapsed(table, 0, 2)

    held = await table.hold(1, table.hands[1].telling(lines(second, "in time")))
    sweeping = soon(table.stores[2].write(sweep_workers))
    await table.waits(sweeping)
    await held.commit()
    await sweeping
    assert (await table.hands[1].say(second, "too late")).stale == [(second.id, second.epoch)]

    assert [message for message in await heard(table, parent.id) if "time" in message or "late" in message] == [
        "in time"
    ]


async def test_a_line_that_waits_for_the_sweep_is_stale(table: Table) -> None:
    parent, _, second = await two_running(table)
    await lapsed(table, 0, 2)

    held = await table.hold(2, sweep_workers)
    saying = soon(table.hands[1].say(second, "too late"))
    await table.waits(saying)
    await held.commit()

    assert (await saying).stale == [(second.id, second.epoch)]
    assert "too late" not in await heard(table, parent.id)


async def test_lines_beside_a_spawn_are_numbered_in_the_order_of_the_commits(table: Table) -> None:
    parent, first, _ = await two_running(table)

    held = await table.hold(0, table.hands[0].telling(spawned(parent, [a_child(), a_child()])))
    saying = soon(table.stores[1].write(table.hands[0].telling(lines(first, "after the spawn"))))
    await table.waits(saying)
    await held.commit()
    await saying

    messages = [entry.message for entry in await table.bench.entries(parent.id)]
    assert [m for m in messages if m.startswith("Spawned")][-1] == "Spawned 2"
    assert messages.index("after the spawn") > len(messages) - 2


# --- spawn


async def test_one_key_spawned_twice_at_once_is_one_child(table: Table) -> None:
    """By two parents of one tree: a key is unique in it."""
    parent, first, second = await two_running(table)

    held = await table.hold(0, table.hands[0].telling(spawned(first, [a_child(key="page")])))
    other = soon(table.hands[1].tell(spawned(second, [a_child(key="page")])))
    await table.waits(other)
    [mine] = (await held.commit()).answers
    [theirs] = (await other).answers

    assert mine.ids == theirs.ids
    assert (await table.bench.job(parent.id)).below.total == 3


async def test_two_parents_of_one_tree_spawn_at_once(table: Table) -> None:
    parent, first, second = await two_running(table)

    held = await table.hold(0, table.hands[0].telling(spawned(first, [a_child(payload={"n": n}) for n in range(3)])))
    other = soon(table.hands[1].tell(spawned(second, [a_child(payload={"n": n}) for n in range(3)])))
    await table.waits(other)
    [mine] = (await held.commit()).answers
    [theirs] = (await other).answers

    assert len({*mine.ids, *theirs.ids}) == 6
    assert (await table.bench.job(parent.id)).below.total == 8


async def test_a_spawn_beside_the_sweep_is_kept_or_refused_whole(table: Table) -> None:
    _, first, second = await two_running(table)
    await lapsed(table, 2)

    held = await table.hold(1, table.hands[1].telling(spawned(second, [a_child()])))
    sweeping = soon(table.stores[2].write(sweep_workers))
    await table.waits(sweeping)
    [kept] = (await held.commit()).answers
    await sweeping
    refused = await table.hands[0].tell(spawned(first, [a_child()]))

    assert await table.bench.status(kept.ids[0]) == S.PENDING
    assert refused.stale == [(first.id, first.epoch)]
    assert (await table.bench.job(first.id)).tally.total == 0


# --- cancel and sweep


async def test_two_cancels_of_one_tree_are_one(table: Table) -> None:
    parent, _ = await table.bench.family(5)

    held = await table.hold(0, lambda ledger: cancel(ledger, parent.id))
    again = soon(table.stores[1].write(cancel, parent.id))
    await table.waits(again)
    first = await held.commit()

    assert first.affected == 6
    assert (await again).affected == 0
    await table.hands[0].end(parent, how=How.CANCELLED)
    await table.bench.settle()
    assert (await table.bench.job(parent.id)).tally.cancelled == 5


async def test_a_cancel_of_a_tree_and_one_of_a_child_of_it_at_once(table: Table) -> None:
    parent, first, second = await two_running(table)

    held = await table.hold(0, lambda ledger: cancel(ledger, first.id))
    whole = soon(table.stores[1].write(cancel, parent.id))
    await table.waits(whole)
    await held.commit()
    await whole
    for hand, job in ((0, first), (1, second), (0, parent)):
        await table.hands[hand].end(job, how=How.CANCELLED)
    await table.bench.settle()

    assert await table.bench.statuses([parent.id, first.id, second.id]) == [S.CANCELLED] * 3


async def test_a_cancel_beside_the_sweep_reaches_what_it_gives_back(table: Table) -> None:
    parent, first, second = await two_running(table)
    await lapsed(table, 2)

    held = await table.hold(2, sweep_workers)
    cancelling = soon(table.stores[0].write(cancel, parent.id))
    await table.waits(cancelling)
    await held.commit()
    await cancelling
    await table.bench.settle()

    assert await table.bench.statuses([parent.id, first.id, second.id]) == [S.CANCELLED] * 3
    assert await table.hands[2].take(10) == []


async def test_two_sweeps_at_once_give_back_each_job_once(table: Table) -> None:
    _, first, second = await two_held(table)
    await lapsed(table, 2)

    held = await table.hold(2, sweep_workers)
    other = soon(table.stores[0].write(sweep_workers))
    mine = await held.commit()
    theirs = await other

    assert sum(given for _, given in [*mine, *theirs]) == 3  # the parent too
    assert {(await table.bench.job(job.id)).losses for job in (first, second)} == {1}


# --- three sessions


async def test_a_line_an_end_and_a_cancel_of_one_tree_queue_in_the_order_they_came(table: Table) -> None:
    parent, first, second = await two_running(table)

    held = await table.hold(0, table.hands[0].telling(lines(first, "first")))
    ending = soon(table.hands[1].tell(lines(second, "second"), ended(second)))
    await table.waits(ending)
    cancelling = soon(table.stores[2].write(cancel, parent.id))
    assert await heard(table, parent.id) == []
    await held.commit()
    await asyncio.gather(ending, cancelling)
    await table.hands[0].end(first, how=How.CANCELLED)
    await table.hands[0].end(parent, how=How.CANCELLED)
    await table.bench.settle()

    said = [message for message in await heard(table, parent.id) if message in ("first", "second")]
    status = await table.bench.status(second.id)
    assert said[0] == "first"
    assert (said[1:], status) in ([(["second"], S.COMPLETED), (["second"], S.CANCELLED), ([], S.CANCELLED)])


async def test_a_retry_that_meets_an_end_of_a_sibling_reopens_the_tree_once(table: Table) -> None:
    parent, first, second = await two_running(table)
    await table.hands[0].end(parent)
    await table.hands[0].tell(ended(first, How.FAILED, error=an_error("odd", final=True)))

    held = await table.hold(2, lambda ledger: retry(ledger, first.id))
    ending = soon(table.hands[1].end(second))
    await table.waits(ending)
    await held.commit()
    await ending

    assert await table.bench.status(parent.id) == S.WAITING
    [again] = await table.hands[0].take(5)
    await table.hands[0].end(again)
    job = await table.bench.job(parent.id)
    assert (job.status, job.tally.completed) == (S.COMPLETED, 2)


async def test_a_new_tree_is_taken_while_another_is_held_by_two(table: Table) -> None:
    parent, first, second = await two_running(table)

    held = await table.hold(0, table.hands[0].telling(lines(first, "long")))
    waiting = soon(table.hands[1].say(second, "longer"))
    await table.waits(waiting)
    [accepted] = await table.stores[2].write(enqueue, [a_root()])
    [job] = await table.hands[2].take(5)
    await table.hands[2].end(job)
    assert job.id == accepted.id
    assert await table.bench.status(job.id) == S.COMPLETED
    await held.commit()
    await waiting

    assert await heard(table, parent.id) == ["long", "longer"]
