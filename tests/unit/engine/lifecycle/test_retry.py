"""New rounds by hand: what runs again, what goes back to waiting, what is counted; whole trees again, and removed."""

import pytest

from quaero.domain.errors import Conflict, InvalidInput, NotFound
from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle import sweep
from quaero.engine.lifecycle.retry import delete, rerun
from quaero.storage.port import JobFilter
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_definition, a_document, a_root, a_step, an_error, ended, lines, spawned

pytestmark = pytest.mark.anyio

ONCE = a_root(max_attempts=1)


def failing(*ids: int):  # type: ignore[no-untyped-def]
    return lambda job: How.FAILED if job.id in ids else How.COMPLETED


async def failed_family(bench: Bench, n: int = 3, failed: int = 1) -> tuple[Job, list[int]]:
    """A closed parent whose first `failed` of `n` children failed for good."""
    parent = await bench.running(ONCE)
    ids = await bench.hand.spawn(parent, [a_child(payload={"n": i}, max_attempts=1) for i in range(n)])
    await bench.hand.end(parent)
    await bench.finish(failing(*ids[:failed]))
    assert await bench.status(parent.id) == S.FAILED
    return parent, ids


async def test_a_failed_job_gets_a_new_round_with_a_fresh_budget(bench: Bench) -> None:
    root_id = await bench.root()
    await bench.finish(failing(root_id))
    bench.clock.move(1)

    acted = await bench.retry(root_id)

    job = await bench.job(root_id)
    assert (acted.affected, job.status, job.round, job.attempt, job.error, job.finished_at) == (1, S.PENDING, 2, 0, None, 0)
    done = await bench.finish(failing(root_id))
    assert len(done) == 3
    assert (await bench.job(root_id)).round == 2


@pytest.mark.parametrize("status", ["pending", "running", "waiting", "completed"])
async def test_only_a_failed_or_cancelled_job_can_be_retried(bench: Bench, status: str) -> None:
    root_id = await bench.root()
    if status != "pending":
        [job] = await bench.hand.take()
        await bench.hand.begin(job)
        if status == "waiting":
            await bench.hand.spawn(job, [a_child()])
        if status in ("waiting", "completed"):
            await bench.hand.end(job)

    with pytest.raises(Conflict, match=f"job {root_id} is {status}"):
        await bench.retry(root_id)


async def test_retrying_nothing_says_so(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.retry(99)


async def test_a_retried_child_takes_every_closed_ancestor_back_to_waiting(bench: Bench) -> None:
    ids = [(parent := await bench.running(ONCE)).id]
    for _ in range(3):
        ids += await bench.hand.spawn(parent, [a_child(max_attempts=1)])
        await bench.hand.end(parent)
        [parent] = await bench.hand.take()
    await bench.hand.end(parent, how=How.FAILED)
    assert await bench.statuses(ids) == [S.FAILED] * 4

    await bench.retry(ids[-1])

    assert await bench.statuses(ids) == [S.WAITING] * 3 + [S.PENDING]
    assert [(await bench.job(i)).round for i in ids] == [2] * 4
    await bench.finish()
    assert await bench.statuses(ids) == [S.COMPLETED] * 4


async def test_retrying_failed_children_runs_only_those_again(bench: Bench) -> None:
    parent, ids = await failed_family(bench, 5, failed=2)

    acted = await bench.retry(parent.id, failed_children=True)

    assert acted.affected == 2
    tally = (await bench.job(parent.id)).tally
    assert (tally.pending, tally.completed, tally.failed) == (2, 3, 0)
    done = await bench.finish()
    assert [job.id for job in done] == ids[:2]
    assert await bench.statuses([parent.id, *ids]) == [S.COMPLETED] * 6


async def test_retrying_failed_children_does_not_run_the_parents_function_again(bench: Bench) -> None:
    parent = await bench.running(ONCE)
    [child] = await bench.hand.spawn(parent, [a_child(max_attempts=1)])
    [job] = await bench.hand.take()
    await bench.hand.begin(job)
    await bench.hand.end(parent, how=How.FAILED)
    await bench.hand.end(job, how=How.FAILED)

    acted = await bench.retry(parent.id, failed_children=True)
    assert acted.affected == 1
    assert await bench.statuses([parent.id, child]) == [S.WAITING, S.PENDING]
    await bench.finish()
    assert await bench.statuses([parent.id, child]) == [S.FAILED, S.COMPLETED]
    with pytest.raises(Conflict, match="no failed jobs"):
        await bench.retry(parent.id, failed_children=True)


async def test_only_children_of_one_fingerprint_can_be_retried(bench: Bench) -> None:
    parent = await bench.running(ONCE)
    await bench.hand.spawn(parent, [a_child(payload={"n": n}, max_attempts=1) for n in range(4)])
    await bench.hand.end(parent)
    for n, job in enumerate(await bench.hand.take()):
        await bench.hand.tell(ended(job, How.FAILED, error=an_error("timed out" if n % 2 else f"broke after {n} s")))
    groups = {group.message: group for group in await bench.store.errors(parent.id)}

    acted = await bench.retry(parent.id, failed_children=True, fingerprint=groups["timed out"].fingerprint)

    assert acted.affected == 2
    assert [group.message for group in await bench.store.errors(parent.id)] == ["broke after 0 s"]
    with pytest.raises(Conflict, match="no failed jobs with fingerprint"):
        await bench.retry(parent.id, failed_children=True, fingerprint="0" * 16)
    with pytest.raises(InvalidInput):
        await bench.retry(parent.id, fingerprint="0" * 16)


async def test_error_groups_count_what_stands_failed_now(bench: Bench) -> None:
    parent, ids = await failed_family(bench, 3, failed=3)
    [group] = await bench.store.errors(parent.id)
    assert (group.count, sorted(group.example_ids)) == (3, ids)

    await bench.retry(ids[0])
    assert [group.count for group in await bench.store.errors(parent.id)] == [2]

    await bench.finish(failing(ids[0]))
    assert [group.count for group in await bench.store.errors(parent.id)] == [3]

    await bench.retry(parent.id, failed_children=True)
    assert await bench.store.errors(parent.id) == []


async def test_a_parent_that_failed_itself_runs_again_with_the_children_it_lost(bench: Bench) -> None:
    parent, ids = await bench.family(3, ONCE)
    await bench.hand.end(parent, how=How.FAILED)
    await bench.settle()
    assert await bench.statuses(ids) == [S.CANCELLED] * 3

    acted = await bench.retry(parent.id)

    assert acted.affected == 4
    assert await bench.statuses([parent.id, *ids]) == [S.PENDING] * 4
    await bench.finish()
    assert await bench.statuses([parent.id, *ids]) == [S.COMPLETED] * 4


async def test_a_parent_can_be_retried_in_the_moment_it_has_failed(bench: Bench) -> None:
    """Its children were listed for cancelling, and nobody has taken the entry away yet."""
    parent, [child_id] = await bench.family(1, ONCE)
    [child] = await bench.hand.take()
    await bench.hand.begin(child)
    await bench.hand.spawn(parent, [a_child(delay=10**12)])
    await bench.hand.end(parent, how=How.FAILED)
    await bench.settle()
    await bench.hand.end(child)
    assert await bench.status(parent.id) == S.FAILED

    await bench.retry(parent.id)
    [again] = [job for job in await bench.hand.take() if job.id == parent.id]
    [late] = await bench.hand.spawn(again, [a_child(payload={"new": 1})])
    await bench.hand.end(again)
    await bench.settle()

    assert await bench.status(late) == S.PENDING
    await bench.finish()
    assert await bench.status(late) == S.COMPLETED


async def test_a_cancelled_tree_can_be_retried_at_once_and_runs_whole(bench: Bench) -> None:
    parent, ids = await bench.family(3)
    await bench.hand.drain()
    more = await bench.hand.spawn(parent, [a_child(payload={"more": n}) for n in range(2)])
    await bench.cancel(parent.id)
    await bench.hand.end(parent, how=How.CANCELLED)

    acted = await bench.retry(parent.id)

    assert acted.affected == 3
    assert await bench.statuses([parent.id, *ids, *more]) == [S.PENDING] + [S.COMPLETED] * 3 + [S.PENDING] * 2
    await bench.finish()
    assert await bench.statuses([parent.id, *ids, *more]) == [S.COMPLETED] * 6


async def test_nothing_under_a_cancellation_under_way_can_be_retried(bench: Bench) -> None:
    parent = await bench.running(ONCE)
    ids = await bench.hand.spawn(parent, [a_child(payload={"n": n}, max_attempts=1) for n in range(2)])
    first, second = await bench.hand.take()
    await bench.hand.begin(second)
    await bench.hand.end(first, how=How.FAILED)
    await bench.cancel(parent.id)

    with pytest.raises(Conflict, match="still being cancelled"):
        await bench.retry(ids[0])
    with pytest.raises(Conflict, match="still being cancelled"):
        await bench.retry(parent.id, failed_children=True)

    await bench.hand.end(parent, second, how=How.CANCELLED)
    assert await bench.status(parent.id) == S.CANCELLED


async def test_one_branch_being_cancelled_does_not_keep_another_from_being_retried(bench: Bench) -> None:
    parent = await bench.running(ONCE)
    ids = await bench.hand.spawn(parent, [a_child(payload={"n": n}, max_attempts=1) for n in range(2)])
    first, second = await bench.hand.take()
    await bench.hand.begin(second)
    await bench.hand.end(first, how=How.FAILED)
    await bench.cancel(second.id)

    await bench.retry(ids[0])

    assert await bench.status(ids[0]) == S.PENDING
    await bench.hand.end(second, how=How.CANCELLED)
    await bench.hand.end(parent)
    await bench.finish()
    assert await bench.status(parent.id) == S.COMPLETED


async def test_a_root_whose_key_was_taken_meanwhile_cannot_be_reopened(bench: Bench) -> None:
    old = await bench.root(a_root(key="daily", max_attempts=1))
    await bench.finish(failing(old))
    new = await bench.root(a_root(key="daily"))
    assert new != old

    with pytest.raises(Conflict, match=f"job {new} is open with its key 'daily'"):
        await bench.retry(old)

    await bench.finish()
    await bench.retry(old)
    assert await bench.status(old) == S.PENDING


# --- dependents


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


# --- rerun, delete, purge


async def test_a_rerun_is_a_new_tree_of_the_same_request(bench: Bench) -> None:
    old = await bench.running(a_root(payload={"x": 1}, name="nightly", tags=("a",), priority=3, max_attempts=5, key="k"))
    await bench.hand.spawn(old, [a_child()])

    acted = await bench.store.write(rerun, old.id)

    new = await bench.job(acted.job.id)
    assert new.id != old.id
    assert (new.payload, new.name, new.tags, new.priority, new.max_attempts) == (b'{"x": 1}', "nightly", '["a"]', 3, 5)
    assert (new.status, new.round, new.tally.total) == (S.PENDING, 1, 0)


async def test_a_rerun_of_a_definition_makes_its_steps_again(bench: Bench) -> None:
    root_id, ids = await bench.definition(a_definition(a_step("a"), a_step("b", depends="a")))
    await bench.finish()

    acted = await bench.store.write(rerun, root_id)
    await bench.finish()

    names = [step.name for step in await bench.store.steps(acted.job.id)]
    assert names == list(ids)
    assert await bench.status(acted.job.id) == S.COMPLETED


async def test_only_roots_are_run_again_or_deleted(bench: Bench) -> None:
    parent, [child] = await bench.family(1)

    for action in (rerun, delete):
        with pytest.raises(InvalidInput, match=f"job {child} is not a root"):
            await bench.store.write(action, child)
    with pytest.raises(Conflict, match="cancel it before deleting"):
        await bench.store.write(delete, parent.id)


async def test_a_deleted_tree_is_gone_at_once_and_its_rows_follow(bench: Bench) -> None:
    parent, ids = await bench.family(7)
    for job in await bench.hand.take():
        await bench.hand.tell(lines(job, "a line"), ended(job, documents=[a_document()]))
    await bench.hand.end(parent)
    kept = await bench.running()
    await bench.hand.say(kept, "stays")

    acted = await bench.store.write(delete, parent.id)

    assert acted.affected == 8
    assert await bench.store.job(parent.id) is None
    assert await bench.store.jobs_by_id(ids) == []
    assert [job.id for job in (await bench.store.jobs(JobFilter(roots=True))).jobs] == [kept.id]
    with pytest.raises(NotFound):
        await bench.retry(parent.id)

    gone = 0
    while n := await bench.store.write(sweep.purge, 3):
        gone += n
    assert gone == 8
    for table in ("run", "lane", "error_group", "document", "delivery"):
        rows = await bench.store.rows(f"select count(*) from {table} where root_id = ?", (parent.id,))
        assert rows == [(0,)]
    assert await bench.store.documents(q="text") == []
    assert (await bench.entries(kept.id))[-1].message == "stays"
    assert (await bench.store.stats()).counts.total == 1


async def test_ids_of_deleted_trees_are_never_given_again(bench: Bench) -> None:
    first = await bench.root()
    await bench.finish()
    await bench.store.write(delete, first)
    while await bench.store.write(sweep.purge):
        pass

    assert await bench.root() > first


async def test_trees_closed_long_ago_are_retired(bench: Bench) -> None:
    old = await bench.root()
    await bench.finish()
    bench.clock.move(100)
    await bench.hand.renew()
    new = await bench.root()
    await bench.finish()
    open_one = await bench.root()

    assert await bench.store.write(sweep.retire, 50_000_000) == 1
    while await bench.store.write(sweep.purge):
        pass

    assert await bench.store.job(old) is None
    assert len(await bench.store.jobs_by_id([new, open_one])) == 2
