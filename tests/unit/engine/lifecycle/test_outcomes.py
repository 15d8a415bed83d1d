"""How things end: the outcome table of the architecture, row by row."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle import sweep
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_definition, a_root, a_step, an_error, ended

pytestmark = pytest.mark.anyio

ONCE = a_root(max_attempts=1)


def failing(*ids: int) -> Callable[[Job], How]:
    """Jobs of these ids fail, all others complete."""
    return lambda job: How.FAILED if job.id in ids else How.COMPLETED


def by_n(*failed: int) -> Callable[[Job], How]:
    """Children whose payload's `n` is among these fail."""
    return lambda job: How.FAILED if msgspec.json.decode(job.payload).get("n") in failed else How.COMPLETED


async def steps(bench: Bench, root_id: int) -> dict[str, str]:
    return {step.name or "": S(step.status).word for step in await bench.store.steps(root_id)}


async def step_with_children(bench: Bench, n: int, **definition: Any) -> tuple[int, Job, list[int]]:
    """A running step named one with `n` pending children that are tried once."""
    root_id, _ = await bench.definition(a_definition(**definition))
    [step] = await bench.hand.take(root_id=root_id)
    await bench.hand.begin(step)
    ids = await bench.hand.spawn(step, [a_child(payload={"n": i}, max_attempts=1) for i in range(n)])
    return root_id, step, ids


# --- own failure for good


async def test_a_failed_attempt_is_tried_again_until_the_attempts_are_spent(bench: Bench) -> None:
    root_id = await bench.root(a_root(max_attempts=3))

    done = await bench.finish(failing(root_id))

    job = await bench.job(root_id)
    assert len(done) == 3
    assert (job.status, job.attempt) == (S.FAILED, 3)
    assert msgspec.json.decode(job.error or b"")["message"] == "it broke"


async def test_an_error_that_is_final_is_not_tried_again(bench: Bench) -> None:
    job = await bench.running()

    await bench.hand.tell(ended(job, How.FAILED, error=an_error(final=True)))

    assert await bench.status(job.id) == S.FAILED


async def test_a_job_that_succeeds_at_last_has_no_error(bench: Bench) -> None:
    root_id = await bench.root()
    tries = iter([How.FAILED, How.FAILED, How.COMPLETED])

    await bench.finish(lambda job: next(tries))

    job = await bench.job(root_id)
    assert (job.status, job.attempt, job.error) == (S.COMPLETED, 3, None)


async def test_own_failure_for_good_cancels_pending_children_and_lets_running_ones_finish(bench: Bench) -> None:
    parent, ids = await bench.family(3, ONCE)
    [busy] = await bench.hand.take(1)
    await bench.hand.begin(busy)

    await bench.hand.end(parent, how=How.FAILED)
    await bench.settle()

    assert await bench.status(parent.id) == S.WAITING
    assert sorted(await bench.statuses(ids)) == [S.RUNNING, S.CANCELLED, S.CANCELLED]

    await bench.hand.end(busy)

    assert await bench.status(parent.id) == S.FAILED
    assert await bench.status(busy.id) == S.COMPLETED


async def test_a_child_that_was_only_reserved_when_its_parent_failed_is_cancelled_when_it_comes_back(
    bench: Bench,
) -> None:
    parent, [child_id] = await bench.family(1, ONCE)
    [reserved] = await bench.hand.take()
    await bench.hand.end(parent, how=How.FAILED)
    await bench.settle()

    await bench.hand.end(reserved, how=How.UNTOUCHED)

    child = await bench.job(child_id)
    assert (child.status, child.reason) == (S.CANCELLED, "parent failed")
    assert await bench.status(parent.id) == S.FAILED


async def test_what_a_cancelled_child_had_spawned_ends_with_it_when_the_parent_fails(bench: Bench) -> None:
    parent, [child_id] = await bench.family(1, ONCE)
    [child] = await bench.hand.take()
    [below] = await bench.hand.spawn(child, [a_child()])
    await bench.hand.tell(ended(child, How.FAILED))  # will be tried again later

    await bench.hand.end(parent, how=How.FAILED)
    await bench.settle()

    assert await bench.statuses([parent.id, child_id, below]) == [S.FAILED, S.CANCELLED, S.CANCELLED]
    assert (await bench.job(child_id)).reason == "parent failed"


# --- sealed, all children terminal


async def test_a_parent_waits_for_its_children_and_completes_after_the_last(bench: Bench) -> None:
    parent, ids = await bench.family(3)
    await bench.hand.end(parent)
    assert await bench.status(parent.id) == S.WAITING

    for job in await bench.hand.take():
        assert await bench.status(parent.id) == S.WAITING
        await bench.hand.end(job)

    assert await bench.status(parent.id) == S.COMPLETED
    assert (await bench.job(parent.id)).tally.completed == len(ids)


async def test_a_parent_whose_function_runs_longest_is_never_waiting(bench: Bench) -> None:
    parent, _ = await bench.family(3)
    await bench.hand.drain()
    assert await bench.status(parent.id) == S.RUNNING

    await bench.hand.end(parent)

    own = await bench.entries(parent.id, job_id=parent.id, below=False)
    assert [entry.message for entry in own if "waiting" in entry.message] == []
    assert await bench.status(parent.id) == S.COMPLETED


async def test_one_failed_child_fails_the_parent_when_none_is_tolerated(bench: Bench) -> None:
    parent, ids = await bench.family(3)
    await bench.hand.end(parent)

    await bench.finish(failing(ids[1]))

    assert await bench.statuses([parent.id, *ids]) == [S.FAILED, S.COMPLETED, S.FAILED, S.COMPLETED]
    assert (await bench.job(parent.id)).own_failed == 0


async def test_a_parent_all_of_whose_children_were_cancelled_is_cancelled(bench: Bench) -> None:
    parent, ids = await bench.family(2)
    await bench.hand.end(parent)

    for child_id in ids:
        await bench.cancel(child_id)

    assert await bench.status(parent.id) == S.CANCELLED


async def test_a_parent_with_some_children_cancelled_completes(bench: Bench) -> None:
    parent, ids = await bench.family(2)
    await bench.hand.end(parent)
    await bench.cancel(ids[0])

    await bench.finish()

    assert await bench.status(parent.id) == S.COMPLETED


# --- tolerated


@pytest.mark.parametrize(
    ("tolerate", "failed", "status", "warnings"),
    [
        (None, 0, S.COMPLETED, 0),
        (None, 1, S.FAILED, 0),
        (2, 2, S.COMPLETED, 2),
        (2, 3, S.FAILED, 0),
        (0, 4, S.COMPLETED, 4),
    ],
)
async def test_a_step_bears_as_many_failed_children_as_its_definition_says(
    bench: Bench, tolerate: int | None, failed: int, status: S, warnings: int
) -> None:
    root_id, step, _ = await step_with_children(bench, 4, tolerate=tolerate)
    await bench.hand.end(step)

    await bench.finish(by_n(*range(failed)))

    assert (await bench.job(step.id)).warnings == warnings
    assert await bench.statuses([root_id, step.id]) == [status, status]


async def test_tolerance_is_counted_for_each_step(bench: Bench) -> None:
    root_id, ids = await bench.definition(a_definition(a_step("a"), a_step("b"), tolerate=1))
    for step in await bench.hand.take():
        await bench.hand.spawn(step, [a_child(payload={"n": n}, max_attempts=1) for n in range(2)])
        await bench.hand.end(step)

    await bench.finish(by_n(0))

    assert await bench.statuses([root_id, *ids.values()]) == [S.COMPLETED] * 3


async def test_without_tolerance_a_job_below_a_step_fails_its_own_parent_only(bench: Bench) -> None:
    root_id, step, [child_id] = await step_with_children(bench, 1, tolerate=1)
    await bench.hand.end(step)
    [child] = await bench.hand.take()
    await bench.hand.spawn(child, [a_child(payload={"n": 7}, max_attempts=1)])
    await bench.hand.end(child)

    await bench.finish(by_n(7))

    assert await bench.statuses([root_id, step.id, child_id]) == [S.COMPLETED, S.COMPLETED, S.FAILED]
    assert (await bench.job(step.id)).warnings == 1


# --- failure_action


async def test_stop_all_cancels_the_rest_of_the_tree_past_the_limit(bench: Bench) -> None:
    definition = a_definition(a_step("a"), a_step("b"), a_step("c", depends="b"), tolerate=1, action="stop_all")
    root_id, ids = await bench.definition(definition)
    a, b = await bench.hand.take()
    for step in (a, b):
        await bench.hand.spawn(step, [a_child(payload={"n": n}, max_attempts=1) for n in range(4)])
        await bench.hand.end(step)
    children = await bench.hand.take()
    doomed = [job for job in children if job.parent_id == ids["a"]]

    await bench.hand.end(*doomed[:2], how=How.FAILED)
    await bench.settle()

    assert await steps(bench, root_id) == {"a": "failed", "b": "cancelled", "c": "cancelled"}
    assert await bench.status(root_id) == S.FAILED
    assert await bench.hand.take() == []


async def test_stop_all_asks_running_jobs_to_stop_and_waits_for_them(bench: Bench) -> None:
    root_id, step, _ = await step_with_children(bench, 3, tolerate=1, action="stop_all")
    await bench.hand.end(step)
    first, second, third = await bench.hand.take()
    await bench.hand.begin(third)
    await bench.hand.end(first, second, how=How.FAILED)

    answer = await bench.hand.play(held=[third])

    assert answer.stop == [third.id]
    assert await bench.status(step.id) == S.WAITING
    await bench.hand.end(third, how=How.CANCELLED)
    assert await bench.statuses([root_id, step.id, third.id]) == [S.FAILED, S.FAILED, S.CANCELLED]


async def test_a_step_stopped_while_it_runs_fails_for_its_failed_children(bench: Bench) -> None:
    root_id, step, _ = await step_with_children(bench, 2, tolerate=1, action="stop_all")
    await bench.hand.drain(lambda job: How.FAILED)
    await bench.settle()
    assert await bench.status(step.id) == S.RUNNING

    await bench.hand.end(step, how=How.CANCELLED)

    assert await bench.statuses([root_id, step.id]) == [S.FAILED, S.FAILED]


async def test_a_step_stopped_half_way_by_another_is_cancelled_even_if_some_of_its_children_completed(
    bench: Bench,
) -> None:
    definition = a_definition(a_step("bad"), a_step("good"), tolerate=1, action="stop_all")
    root_id, _ = await bench.definition(definition)
    bad, good = await bench.hand.take()
    await bench.hand.begin(bad, good)
    await bench.hand.spawn(bad, [a_child(payload={"n": n}, max_attempts=1) for n in range(2)])
    await bench.hand.spawn(good, [a_child(payload={"n": n}) for n in (7, 8)])
    taken = {msgspec.json.decode(job.payload)["n"]: job for job in await bench.hand.take()}
    await bench.hand.begin(taken[8])
    await bench.hand.end(taken[7])
    await bench.hand.end(taken[0], taken[1], how=How.FAILED)
    await bench.settle()

    await bench.hand.end(bad, good, how=How.CANCELLED)
    await bench.hand.end(taken[8])

    assert await steps(bench, root_id) == {"bad": "failed", "good": "cancelled"}
    assert await bench.status(root_id) == S.FAILED
    assert await bench.status(taken[8].id) == S.COMPLETED


async def test_continue_lets_the_rest_run_and_fails_in_the_end(bench: Bench) -> None:
    root_id, step, ids = await step_with_children(bench, 4, tolerate=1, action="continue")
    await bench.hand.end(step)

    await bench.finish(by_n(0, 1))

    assert await bench.statuses([root_id, step.id, *ids]) == [S.FAILED] * 4 + [S.COMPLETED] * 2


async def test_mark_warning_completes_with_warnings_past_the_limit(bench: Bench) -> None:
    root_id, step, _ = await step_with_children(bench, 4, tolerate=1, action="mark_warning")
    await bench.hand.end(step)

    await bench.finish(by_n(0, 1, 2))

    assert await bench.statuses([root_id, step.id]) == [S.COMPLETED, S.COMPLETED]
    assert (await bench.job(step.id)).warnings == 3


# --- step on_error


async def test_a_failed_step_fails_its_root_and_its_dependents_are_skipped(bench: Bench) -> None:
    definition = a_definition(a_step("a"), a_step("b", depends="a"), a_step("c", depends="b"), a_step("d"))
    root_id, ids = await bench.definition(definition)

    await bench.finish(failing(ids["a"]))

    assert await steps(bench, root_id) == {"a": "failed", "b": "cancelled", "c": "cancelled", "d": "completed"}
    assert {(await bench.job(ids[name])).reason for name in "bc"} == {"skipped"}
    assert await bench.status(root_id) == S.FAILED


async def test_a_failed_step_that_may_fail_counts_as_completed_for_root_and_dependents(bench: Bench) -> None:
    definition = a_definition(a_step("a", on_error="continue"), a_step("b", depends="a"))
    root_id, ids = await bench.definition(definition)

    await bench.finish(failing(ids["a"]))

    assert await steps(bench, root_id) == {"a": "failed", "b": "completed"}
    root = await bench.job(root_id)
    assert (root.status, root.warnings) == (S.COMPLETED, 1)


async def test_a_step_with_one_retry_redoes_its_failed_children_once(bench: Bench) -> None:
    definition = a_definition(a_step("a", on_error="retry"))
    root_id, _ = await bench.definition(definition)
    [step] = await bench.hand.take()
    ids = await bench.hand.spawn(step, [a_child(payload={"n": n}, max_attempts=1) for n in range(3)])
    await bench.hand.end(step)
    fails = iter([How.FAILED, How.COMPLETED])

    done = await bench.finish(lambda job: next(fails) if job.id == ids[1] else How.COMPLETED)

    assert [job.id for job in done] == [*ids, ids[1]]
    assert await bench.status(root_id) == S.COMPLETED
    assert [(await bench.job(i)).round for i in (step.id, *ids)] == [1, 1, 2, 1]
    assert await bench.store.errors(root_id) == []


async def test_a_step_with_one_retry_whose_function_ends_last_redoes_its_failed_children(bench: Bench) -> None:
    root_id, _ = await bench.definition(a_definition(a_step("a", on_error="retry")))
    [step] = await bench.hand.take()
    [child_id] = await bench.hand.spawn(step, [a_child(max_attempts=1)])
    [child] = await bench.hand.take()
    await bench.hand.end(child, how=How.FAILED)

    await bench.hand.end(step)
    assert await bench.statuses([root_id, step.id, child_id]) == [S.WAITING, S.WAITING, S.PENDING]
    await bench.finish()

    assert await bench.statuses([root_id, step.id, child_id]) == [S.COMPLETED] * 3


async def test_a_step_with_one_retry_runs_its_own_failed_function_again(bench: Bench) -> None:
    definition = a_definition(a_step("a", on_error="retry"), a_step("b", depends="a"))
    root_id, ids = await bench.definition(definition)
    tries = iter([How.FAILED] * 3 + [How.COMPLETED])

    await bench.finish(lambda job: next(tries) if job.id == ids["a"] else How.COMPLETED)

    assert await steps(bench, root_id) == {"a": "completed", "b": "completed"}
    assert (await bench.job(ids["a"])).round == 2
    assert await bench.store.errors(root_id) == []


async def test_a_step_with_one_retry_gets_back_the_children_its_failure_cancelled(bench: Bench) -> None:
    root_id, _ = await bench.definition(a_definition(a_step("a", on_error="retry")))
    for attempt in range(3):
        [step] = await bench.hand.take(1)
        if not attempt:
            ids = await bench.hand.spawn(step, [a_child(payload={"n": n}, delay=10**15) for n in range(2)])
        await bench.hand.end(step, how=How.FAILED)
        bench.clock.move(10)
    await bench.settle()
    assert await bench.statuses([step.id, *ids]) == [S.PENDING, S.PENDING, S.PENDING]
    assert [(await bench.job(i)).round for i in (step.id, *ids)] == [2, 2, 2]

    await bench.finish()

    assert await bench.status(root_id) == S.COMPLETED


async def test_a_step_that_fails_again_after_its_retry_fails_for_good(bench: Bench) -> None:
    definition = a_definition(a_step("a", on_error="retry"), a_step("b", depends="a"))
    root_id, ids = await bench.definition(definition)

    done = await bench.finish(failing(ids["a"]))

    assert len(done) == 6
    assert await steps(bench, root_id) == {"a": "failed", "b": "cancelled"}
    [group] = await bench.store.errors(root_id)
    assert group.count == 1


# --- timeouts


async def test_a_timed_out_function_is_a_failed_attempt_with_its_own_word(bench: Bench) -> None:
    job = await bench.running(ONCE)

    await bench.hand.tell(ended(job, How.TIMED_OUT, error=an_error("ran for more than 30s")))

    kept = await bench.job(job.id)
    assert kept.status == S.FAILED
    assert msgspec.json.decode(kept.error or b"")["type"] == "TimedOut"


async def test_a_tree_past_its_timeout_fails_and_the_rest_is_closed(bench: Bench) -> None:
    root_id, ids = await bench.definition(a_definition(a_step("a"), a_step("b", depends="a"), timeout=1_800_000_000))
    assert await bench.store.write(sweep.expire_trees) == 0
    [step] = await bench.hand.take()
    await bench.hand.begin(step)
    [child] = await bench.hand.spawn(step, [a_child()])

    bench.clock.move(1_799)
    assert await bench.store.write(sweep.expire_trees) == 0
    bench.clock.move(1)
    assert await bench.store.write(sweep.expire_trees) == 1
    answer = await bench.hand.play(held=[step])
    await bench.hand.renew()

    assert answer.stop == [step.id]
    await bench.hand.end(step, how=How.CANCELLED)
    root = await bench.job(root_id)
    assert root.status == S.FAILED
    assert msgspec.json.decode(root.error or b"")["message"] == "timed out after 30m"
    assert await bench.statuses([*ids.values(), child]) == [S.CANCELLED] * 3


async def test_a_trees_timeout_runs_from_its_first_start_not_from_its_birth(bench: Bench) -> None:
    root_id, _ = await bench.definition(a_definition(timeout=1_000_000))
    bench.clock.move(5)

    await bench.store.write(sweep.expire_trees)
    await bench.hand.renew()
    await bench.finish()

    assert await bench.status(root_id) == S.COMPLETED


async def test_a_tree_that_closes_in_the_commit_of_its_timeout_is_left_alone(bench: Bench) -> None:
    root_id, _ = await bench.definition(a_definition(timeout=1_000_000))
    [step] = await bench.hand.take()
    await bench.hand.begin(step)
    bench.clock.move(2)

    await bench.together(bench.hand.telling(ended(step)), sweep.expire_trees, sweep.close_forgotten)

    assert await bench.status(root_id) == S.COMPLETED
    assert (await bench.job(root_id)).cancelling is None
