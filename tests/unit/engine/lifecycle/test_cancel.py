"""Cancelling: what it reaches, who wins when something else happens, and that nothing below it starts again."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from quaero.domain.errors import Conflict, NotFound
from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle.cancel import Acted, cancel
from quaero.engine.lifecycle.retry import retry
from quaero.storage import lookup
from quaero.storage.lookup import SqlLookup
from quaero.storage.port import Ledger
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_definition, a_root, a_step, began, ended, lines, spawned

pytestmark = pytest.mark.anyio


async def test_cancelling_a_pending_job_ends_it_at_once(bench: Bench) -> None:
    root_id = await bench.root()

    acted = await bench.cancel(root_id)

    assert (acted.affected, S(acted.job.status)) == (1, S.CANCELLED)
    assert await bench.hand.take() == []


@pytest.mark.parametrize("top", ["root", "step"])
async def test_no_tree_is_walked_for_what_waits_in_it_when_it_is_cancelled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, top: str
) -> None:
    """Neither for those that wait for their time, as all may after a failure, nor for those that wait for siblings."""
    monkeypatch.setattr(lookup, "_BELOW", "this would be a walk")
    root_id, ids = await bench.definition(a_definition(a_step("a"), a_step("b", depends="a")))
    [step] = await bench.hand.take()
    await bench.hand.begin(step)
    children = await bench.hand.spawn(step, [a_child(payload={"n": n}, delay=5_000_000 * (n % 2)) for n in range(6)])
    blocked = await bench.hand.spawn(step, [a_child(after=(children[0],)), a_child(key="k", delay=5_000_000)])
    running, *_ = await bench.hand.take(2)

    await bench.cancel({"root": root_id, "step": step.id}[top])
    await bench.hand.end(running, step, how=How.CANCELLED)
    await bench.settle()

    assert set(await bench.statuses([*children, *blocked, *ids.values()])) == {S.CANCELLED}


async def test_cancelling_a_running_job_asks_it_and_waits_for_it(bench: Bench) -> None:
    job = await bench.running()

    acted = await bench.cancel(job.id)

    assert S(acted.job.status) == S.RUNNING
    assert (await bench.job(job.id)).cancel_requested == 1
    assert (await bench.hand.play(held=[job])).stop == [job.id]
    await bench.hand.end(job, how=How.CANCELLED)
    assert await bench.status(job.id) == S.CANCELLED


async def test_cancelling_a_reserved_job_ends_it_and_its_worker_is_told(bench: Bench) -> None:
    root_id = await bench.root()
    [job] = await bench.hand.take()

    await bench.cancel(root_id)

    assert (await bench.hand.play(held=[job])).stop == [root_id]
    told = await bench.hand.tell(began(job), lines(job, "late"), ended(job))
    assert told.stale == [(root_id, 1)] * 3
    assert await bench.status(root_id) == S.CANCELLED


async def test_cancelling_again_changes_nothing(bench: Bench) -> None:
    job = await bench.running()
    await bench.cancel(job.id)
    head = (await bench.job(job.id)).journal_head

    assert (await bench.cancel(job.id)).affected == 0
    await bench.hand.end(job, how=How.CANCELLED)
    assert (await bench.cancel(job.id)).affected == 0

    assert (await bench.job(job.id)).journal_head == head + 1


@pytest.mark.parametrize("how", [How.COMPLETED, How.FAILED])
async def test_what_has_ended_otherwise_cannot_be_cancelled(bench: Bench, how: How) -> None:
    job = await bench.running(a_root(max_attempts=1))
    await bench.hand.end(job, how=how)

    with pytest.raises(Conflict, match=r"job 1 is (completed|failed)"):
        await bench.cancel(job.id)


async def test_cancelling_one_of_many_siblings_looks_at_no_other_that_is_listed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of one that has nothing below it nothing is looked for at all."""
    parent, ids = await bench.family(6)
    *running, last = await bench.hand.take(4, root_id=parent.id)
    await bench.hand.begin(*running, last)
    for job in (*running, last):
        await bench.hand.spawn(job, [a_child()])
    for job in running:
        await bench.cancel(job.id)
    looked: list[int] = []
    look = SqlLookup.open_leaves

    def noted(self: SqlLookup, top_id: int, limit: int) -> list[Job]:
        looked.append(top_id)
        return look(self, top_id, limit)

    monkeypatch.setattr(SqlLookup, "open_leaves", noted)
    for job_id in ids[3:]:
        await bench.cancel(job_id)

    assert set(looked) == {last.id}
    listed = {str(job.id) for job in (*running, last)}
    assert set(json.loads((await bench.job(parent.id)).cancelling or "{}")) == listed


async def test_cancelling_nothing_says_so(bench: Bench) -> None:
    with pytest.raises(NotFound, match="there is no job 77"):
        await bench.cancel(77)


async def test_a_tree_is_cancelled_with_everything_in_it(bench: Bench) -> None:
    parent, ids = await bench.family(5)
    first, second = await bench.hand.take(2)
    await bench.hand.begin(first)
    await bench.hand.end(second)
    await bench.hand.end(parent)

    acted = await bench.cancel(parent.id)
    await bench.hand.end(first, how=How.CANCELLED)
    await bench.settle()

    assert acted.affected == 5
    assert await bench.status(parent.id) == S.CANCELLED
    assert sorted(await bench.statuses(ids)) == [S.COMPLETED] + [S.CANCELLED] * 4
    assert (await bench.job(parent.id)).cancelling is None


async def test_cancelling_one_branch_leaves_the_others_alone(bench: Bench) -> None:
    parent, ids = await bench.family(2)
    one, two = await bench.hand.take()
    below_one = await bench.hand.spawn(one, [a_child(payload={"n": n}) for n in range(3)])
    below_two = await bench.hand.spawn(two, [a_child(payload={"n": n}) for n in range(3)])
    await bench.hand.end(parent, one, two)

    acted = await bench.cancel(ids[0])
    await bench.finish()

    assert acted.affected == 4
    assert await bench.statuses([ids[0], *below_one]) == [S.CANCELLED] * 4
    assert await bench.statuses([parent.id, ids[1], *below_two]) == [S.COMPLETED] * 5


async def test_a_step_can_be_cancelled_and_its_dependents_are_skipped(bench: Bench) -> None:
    root_id, ids = await bench.definition(a_definition(a_step("a"), a_step("b", depends="a"), a_step("c")))
    await bench.hand.take(1)

    await bench.cancel(ids["a"])
    await bench.finish()

    assert await bench.statuses([root_id, *ids.values()]) == [S.COMPLETED, S.CANCELLED, S.CANCELLED, S.COMPLETED]
    assert (await bench.job(ids["b"])).reason == "skipped"


async def test_a_tree_larger_than_one_batch_is_closed_by_the_rounds_that_follow(bench: Bench) -> None:
    parent, ids = await bench.family(450)
    await bench.hand.end(parent)

    acted = await bench.cancel(parent.id)

    assert acted.affected == 451
    assert await bench.hand.take() == []
    await bench.hand.play()
    assert await bench.statuses([parent.id, *ids]) == [S.CANCELLED] * 451


async def test_running_jobs_are_asked_before_the_pending_ones_are_closed(bench: Bench) -> None:
    parent, _ = await bench.family(450)
    held = await bench.hand.take(3)
    await bench.hand.begin(*held)

    await bench.cancel(parent.id)

    assert sorted((await bench.hand.play(held=[parent, *held])).stop) == [parent.id, *(job.id for job in held)]
    await bench.hand.end(parent, *held, how=How.CANCELLED)


async def test_delayed_and_blocked_jobs_are_cancelled_too(bench: Bench) -> None:
    parent, [first] = await bench.family(1)
    await bench.hand.spawn(parent, [a_child(delay=10**12), a_child(payload={"n": 9}, after=(first,))])
    [child] = await bench.hand.take()
    await bench.hand.tell(ended(child, How.FAILED))  # now pending until its back-off is over

    await bench.cancel(parent.id)
    await bench.hand.end(parent, how=How.CANCELLED)
    await bench.settle()

    assert (await bench.job(parent.id)).tally.cancelled == 3
    assert await bench.status(parent.id) == S.CANCELLED


async def test_nothing_below_a_listed_job_is_claimed_begun_or_spawned(bench: Bench) -> None:
    parent, ids = await bench.family(300)
    held = await bench.hand.take(2)
    before = (await bench.job(parent.id)).tally.total

    await bench.cancel(parent.id)

    assert await bench.hand.take() == []
    told = await bench.hand.tell(began(held[0]), spawned(held[1], [a_child()]), spawned(parent, [a_child()]))
    assert [answer.ids for answer in told.answers] == [[], []]
    assert (await bench.job(parent.id)).tally.total == before
    assert S.RUNNING not in await bench.statuses(ids)
    await bench.hand.end(parent)
    await bench.settle()
    assert await bench.status(parent.id) == S.CANCELLED


async def test_begins_that_find_their_tree_listed_end_their_jobs(bench: Bench) -> None:
    """More jobs are held than the listing transaction closes: the rest tries to start before its turn comes."""
    parent, ids = await bench.family(300)
    held = await bench.hand.take()

    await bench.cancel(parent.id)
    assert S.PENDING in await bench.statuses(ids)
    await bench.hand.begin(*held)

    assert await bench.statuses(ids) == [S.CANCELLED] * 300
    await bench.hand.end(parent, how=How.CANCELLED)
    assert await bench.status(parent.id) == S.CANCELLED


async def test_a_second_attempt_with_children_is_cancelled_with_them(bench: Bench) -> None:
    parent, ids = await bench.family(2)
    await bench.hand.end(parent, how=How.REFUNDED)
    again, *children = sorted(await bench.hand.take(), key=lambda job: job.id)
    await bench.hand.begin(*children)

    await bench.cancel(parent.id)
    assert await bench.status(parent.id) == S.WAITING
    await bench.hand.tell(began(again))
    await bench.hand.end(*children, how=How.CANCELLED)

    assert await bench.statuses([parent.id, *ids]) == [S.CANCELLED] * 3


@pytest.mark.parametrize("how", [How.UNTOUCHED, How.LOST, How.REFUNDED, How.CANCELLED, How.FAILED, How.COMPLETED])
async def test_a_running_parent_under_cancel_ends_cancelled_however_it_ends(bench: Bench, how: How) -> None:
    parent, _ = await bench.family(2)
    [busy] = await bench.hand.take(1)
    await bench.hand.begin(busy)
    await bench.cancel(parent.id)

    await bench.hand.end(parent, how=how)
    assert await bench.status(parent.id) == S.WAITING
    await bench.hand.end(busy, how=how)

    assert await bench.statuses([parent.id, busy.id]) == [S.CANCELLED] * 2


async def test_a_cancelled_parent_whose_worker_is_lost_is_closed_with_its_children(bench: Bench) -> None:
    parent, ids = await bench.family(2)
    held = await bench.hand.take(1)
    await bench.hand.begin(*held)
    await bench.cancel(parent.id)

    await bench.hand.leave()

    assert await bench.statuses([parent.id, *ids]) == [S.CANCELLED] * 3


async def test_a_worker_that_is_stopping_gives_its_job_back_uncounted(bench: Bench) -> None:
    """`CANCELLED` without a cancel: the worker leaves, the work was not cancelled."""
    job = await bench.running()

    await bench.hand.end(job, how=How.CANCELLED)

    again = await bench.job(job.id)
    assert (again.status, again.attempt, again.ready) == (S.PENDING, 0, 1)


async def test_cancelling_a_tree_of_a_failed_parent_overrides_its_pending_list(bench: Bench) -> None:
    parent, ids = await bench.family(3, a_root(max_attempts=1))
    busy = await bench.hand.take(2)
    await bench.hand.begin(*busy)
    await bench.hand.end(parent, how=How.FAILED)

    await bench.cancel(parent.id)
    await bench.hand.end(*busy, how=How.CANCELLED)
    await bench.settle()

    assert await bench.statuses([parent.id, *ids]) == [S.CANCELLED] * 4


# --- interleavings: one winner, whatever the order, in one commit or several


async def family_of_three(bench: Bench) -> tuple[Job, Job, Job]:
    """A sealed-to-be parent, a running child and a reserved child."""
    parent, _ = await bench.family(2)
    running, reserved = await bench.hand.take()
    await bench.hand.begin(running)
    return parent, running, reserved


ORDERS = list(itertools.permutations(range(4)))


@pytest.mark.parametrize("in_one_commit", [True, False])
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "".join(map(str, order)))
async def test_cancel_start_finish_and_spawn_in_any_order_have_one_outcome(
    bench: Bench, order: tuple[int, ...], in_one_commit: bool
) -> None:
    parent, running, reserved = await family_of_three(bench)

    scripts: list[Callable[[Ledger], Any]] = [
        lambda ledger: cancel(ledger, parent.id),
        bench.hand.telling(began(reserved)),
        bench.hand.telling(ended(running)),
        bench.hand.telling(spawned(parent, [a_child(payload={"late": True})])),
    ]
    chosen = [scripts[n] for n in order]
    if in_one_commit:
        answers = dict(zip(order, await bench.together(*chosen), strict=True))
    else:
        answers = {n: await bench.store.write(scripts[n]) for n in order}

    position = order.index
    finished_first = position(2) < position(0)
    assert await bench.status(running.id) == (S.COMPLETED if finished_first else S.CANCELLED)
    assert bool(answers[3].answers[0].ids) == (position(3) < position(0))
    assert await bench.hand.take() == []
    await bench.hand.tell(*(ended(job, How.CANCELLED) for job in (running, reserved, parent)))
    await bench.settle()
    children = (await bench.store.job(parent.id)).tally  # type: ignore[union-attr]
    assert await bench.statuses([parent.id, reserved.id]) == [S.CANCELLED, S.CANCELLED]
    assert children.total == children.completed + children.cancelled
    assert (await bench.job(parent.id)).cancelling is None


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=lambda order: "".join(map(str, order)))
async def test_cancel_retry_and_finish_in_any_order_leave_a_tree_that_closes(
    bench: Bench, order: tuple[int, ...]
) -> None:
    parent, ids = await bench.family(2)
    failed, running = await bench.hand.take()
    await bench.hand.begin(running)
    for _ in range(3):
        await bench.hand.end(failed, how=How.FAILED)
        bench.clock.move(100)
        await bench.hand.renew()
        [failed] = await bench.hand.take() or [failed]
    assert await bench.status(failed.id) == S.FAILED

    def retry_or_refuse(ledger: Ledger) -> Acted | Conflict:
        try:
            return retry(ledger, failed.id)
        except Conflict as refusal:
            return refusal

    scripts: list[Callable[[Ledger], Any]] = [
        lambda ledger: cancel(ledger, parent.id),
        retry_or_refuse,
        bench.hand.telling(ended(running)),
    ]
    answers = dict(zip(order, await bench.together(*(scripts[n] for n in order)), strict=True))

    assert isinstance(answers[1], Conflict) == (order.index(0) < order.index(1))
    await bench.hand.end(parent, how=How.CANCELLED)
    await bench.settle()
    assert await bench.hand.take() == []
    assert await bench.status(parent.id) == S.CANCELLED
    assert all(S(job.status).is_terminal for job in await bench.store.jobs_by_id(ids))
