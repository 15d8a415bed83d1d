"""What waits for what: released, skipped, and waiting again when a round is opened above it."""

from collections.abc import Callable

import pytest

from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle import sweep
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_definition, a_root, a_step, ended, spawned

pytestmark = pytest.mark.anyio

ONCE = a_root(max_attempts=1)


def failing(*ids: int) -> Callable[[Job], How]:
    return lambda job: How.FAILED if job.id in ids else How.COMPLETED


async def test_skipped_dependents_come_back_and_wait_again(bench: Bench) -> None:
    definition = a_definition(a_step("a"), a_step("b", depends="a"), a_step("c", depends="b"))
    root_id, ids = await bench.definition(definition)
    await bench.finish(failing(ids["a"]))
    assert await bench.status(root_id) == S.FAILED

    acted = await bench.retry(ids["a"])

    assert acted.affected == 3
    assert await bench.statuses([root_id, *ids.values()]) == [S.WAITING, S.PENDING, S.PENDING, S.PENDING]
    done = await bench.finish()
    assert [job.id for job in done] == [ids["a"], ids["b"], ids["c"]]
    assert await bench.status(root_id) == S.COMPLETED


async def test_a_dependent_of_two_failed_steps_comes_back_only_when_both_may_still_end_well(bench: Bench) -> None:
    definition = a_definition(a_step("a"), a_step("b"), a_step("c", depends="a,b"))
    root_id, ids = await bench.definition(definition)
    await bench.finish(failing(ids["a"], ids["b"]))

    await bench.retry(ids["a"])
    await bench.finish()
    assert await bench.statuses(list(ids.values())) == [S.COMPLETED, S.FAILED, S.CANCELLED]

    await bench.retry(root_id)
    await bench.finish()
    assert await bench.statuses([root_id, *ids.values()]) == [S.COMPLETED] * 4


async def test_a_dependent_that_was_released_waits_again_for_a_step_that_is_redone(bench: Bench) -> None:
    definition = a_definition(a_step("a", on_error="continue"), a_step("b", depends="a"))
    _, ids = await bench.definition(definition)
    for _ in range(3):
        await bench.hand.end(*await bench.hand.take(), how=How.FAILED)
        bench.clock.move(10)
    assert (await bench.job(ids["b"])).ready == 1

    await bench.retry(ids["a"])
    b = await bench.job(ids["b"])
    assert (b.ready, b.blocked_by) == (0, 1)

    done = await bench.finish()
    assert [job.id for job in done] == [ids["a"], ids["b"]]


async def test_a_dependent_that_has_begun_is_left_alone_by_a_step_that_is_redone(bench: Bench) -> None:
    definition = a_definition(a_step("a", on_error="continue"), a_step("b", depends="a"))
    root_id, ids = await bench.definition(definition)
    for _ in range(3):
        await bench.hand.end(*await bench.hand.take(), how=How.FAILED)
        bench.clock.move(10)
        await bench.hand.renew()
    [b] = await bench.hand.take()
    await bench.hand.begin(b)

    await bench.retry(ids["a"])
    await bench.finish(failing(ids["a"]))
    assert await bench.status(b.id) == S.RUNNING
    await bench.hand.end(b, how=How.FAILED)
    await bench.finish()

    assert await bench.statuses([root_id, *ids.values()]) == [S.COMPLETED, S.FAILED, S.COMPLETED]


async def test_a_dependent_between_two_attempts_is_not_skipped_by_a_step_that_is_redone(bench: Bench) -> None:
    definition = a_definition(a_step("a", on_error="continue"), a_step("b", depends="a"))
    _, ids = await bench.definition(definition)
    for _ in range(4):  # three attempts of a, the first of b
        await bench.hand.end(*await bench.hand.take(), how=How.FAILED)
        bench.clock.move(10)
        await bench.hand.renew()
    assert (await bench.job(ids["b"])).attempt == 1

    await bench.retry(ids["a"])
    assert [job.id for job in await bench.hand.take()] == [ids["a"]]
    await bench.cancel(ids["a"])

    done = await bench.finish()
    assert [job.id for job in done] == [ids["b"]]
    assert await bench.status(ids["b"]) == S.COMPLETED


async def test_a_dependent_cancelled_while_it_waited_can_be_retried_when_the_wait_is_over(bench: Bench) -> None:
    root_id, ids = await bench.definition(a_definition(a_step("a"), a_step("b", depends="a")))
    await bench.cancel(ids["b"])
    await bench.finish()

    await bench.retry(ids["b"])
    await bench.finish()

    assert await bench.statuses([root_id, *ids.values()]) == [S.COMPLETED] * 3


async def test_a_failed_child_of_a_step_reopens_the_step_and_those_skipped_after_it(bench: Bench) -> None:
    root_id, ids = await bench.definition(a_definition(a_step("a"), a_step("b", depends="a")))
    [a] = await bench.hand.take()
    [child] = await bench.hand.spawn(a, [a_child(max_attempts=1)])
    await bench.hand.end(a)
    await bench.finish(failing(child))
    assert await bench.statuses([root_id, *ids.values()]) == [S.FAILED, S.FAILED, S.CANCELLED]

    await bench.retry(root_id)

    assert await bench.statuses([root_id, *ids.values(), child]) == [S.WAITING, S.WAITING, S.PENDING, S.PENDING]
    await bench.finish()
    assert await bench.statuses([root_id, *ids.values(), child]) == [S.COMPLETED] * 4


async def test_excused_failures_are_taken_back_when_they_are_retried(bench: Bench) -> None:
    root_id, ids = await bench.definition(a_definition(a_step("a", on_error="continue"), a_step("b")))
    await bench.finish(failing(ids["a"]))
    assert await bench.status(root_id) == S.COMPLETED

    for _ in range(2):
        await bench.retry(ids["a"])
        assert (await bench.job(root_id)).excused == 0
        await bench.finish(failing(ids["a"]))
        assert (await bench.job(root_id)).excused == 1

    await bench.retry(ids["a"])
    await bench.finish()
    root = await bench.job(root_id)
    assert (root.status, root.excused, root.warnings) == (S.COMPLETED, 0, 0)


async def test_a_cancelled_definition_runs_what_it_had_left(bench: Bench) -> None:
    definition = a_definition(a_step("a"), a_step("b", depends="a"), a_step("c", depends="b"))
    root_id, ids = await bench.definition(definition)
    await bench.hand.end(*await bench.hand.take())
    await bench.cancel(root_id)
    assert await bench.statuses([root_id, *ids.values()]) == [S.CANCELLED, S.COMPLETED, S.CANCELLED, S.CANCELLED]

    await bench.retry(root_id)
    done = await bench.finish()

    assert [job.id for job in done] == [ids["b"], ids["c"]]
    assert await bench.status(root_id) == S.COMPLETED


async def test_a_tree_that_ran_out_of_time_gets_it_again(bench: Bench) -> None:
    root_id, _ = await bench.definition(a_definition(a_step("a"), a_step("b", depends="a"), timeout=60_000_000))
    [step] = await bench.hand.take()
    await bench.hand.begin(step)
    bench.clock.move(60)
    await bench.store.write(sweep.expire_trees)
    await bench.hand.renew()
    await bench.hand.end(step, how=How.CANCELLED)
    await bench.settle()
    assert await bench.status(root_id) == S.FAILED

    await bench.retry(root_id)
    assert await bench.store.write(sweep.expire_trees) == 0
    await bench.finish()

    root = await bench.job(root_id)
    assert (root.status, root.error) == (S.COMPLETED, None)


async def test_a_child_that_waits_for_one_that_has_failed_already_is_skipped(bench: Bench) -> None:
    parent = await bench.running(ONCE)
    [first] = await bench.hand.spawn(parent, [a_child(max_attempts=1)])
    await bench.hand.drain(lambda job: How.FAILED)

    [second] = await bench.hand.spawn(parent, [a_child(payload={"n": 2}, after=(first,))])
    assert (await bench.job(second)).reason == "skipped"

    await bench.hand.end(parent)
    assert await bench.status(parent.id) == S.FAILED
    await bench.retry(first)
    await bench.finish()
    assert await bench.statuses([parent.id, first, second]) == [S.COMPLETED] * 3


async def test_a_child_that_waits_for_one_that_has_completed_is_ready_at_once(bench: Bench) -> None:
    parent, [first] = await bench.family(1)
    await bench.hand.drain()

    [second] = await bench.hand.spawn(parent, [a_child(payload={"n": 2}, after=(first, first))])

    assert (await bench.job(second)).ready == 1


async def test_a_child_released_in_the_commit_that_made_it_is_ready(bench: Bench) -> None:
    parent, [first] = await bench.family(1)
    [job] = await bench.hand.take()

    await bench.hand.tell(spawned(parent, [a_child(payload={"n": 2}, after=(first,))]), ended(job))

    assert len(await bench.hand.take()) == 1
