"""New rounds by hand: what runs again, what goes back to waiting, what is counted; whole trees again, and removed."""

from collections.abc import Callable

import pytest

from quaero.domain.errors import Conflict, InvalidInput, NotFound
from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus as S
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_root, an_error, ended

pytestmark = pytest.mark.anyio

ONCE = a_root(max_attempts=1)


def failing(*ids: int) -> Callable[[Job], How]:
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
    assert (acted.affected, job.status, job.round, job.attempt) == (1, S.PENDING, 2, 0)
    assert (job.error, job.finished_at) == (None, 0)
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
    parent, _ = await bench.family(1, ONCE)
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


async def test_a_child_of_a_parent_that_has_failed_and_still_waits_cannot_be_retried_yet(bench: Bench) -> None:
    parent = await bench.running(ONCE)
    ids = await bench.hand.spawn(parent, [a_child(payload={"n": n}, max_attempts=1) for n in range(3)])
    failed, busy = await bench.hand.take(2)
    await bench.hand.begin(busy)
    await bench.hand.end(failed, parent, how=How.FAILED)
    await bench.settle()

    for child in (ids[0], ids[2]):
        with pytest.raises(Conflict, match="still being cancelled"):
            await bench.retry(child)

    await bench.hand.end(busy)
    await bench.retry(ids[0])
    assert await bench.statuses([parent.id, ids[0]]) == [S.WAITING, S.PENDING]


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
