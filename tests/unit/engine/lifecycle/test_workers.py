"""Leases: the fence around what a worker may write, and the return of what a lost one held."""

import msgspec
import pytest

from quaero.domain.facts import How
from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle import workers
from quaero.engine.lifecycle.reserve import needs_to_be_alone
from quaero.testing import Bench, Hand
from quaero.testing.factories import a_child, a_root, began, ended, lines, progressed, spawned

pytestmark = pytest.mark.anyio


async def other(bench: Bench) -> Hand:
    return await Hand.start(bench.store, bench.hand.kinds)


async def test_a_worker_that_was_swept_can_write_nothing_more(bench: Bench) -> None:
    root_id = await bench.root()
    [job] = await bench.hand.take()
    await bench.hand.begin(job)
    bench.clock.move(21)
    [(swept, returned)] = await bench.store.write(workers.sweep_workers)
    head = (await bench.job(root_id)).journal_head

    told = await bench.hand.tell(
        lines(job, "late"), spawned(job, [a_child()]), progressed(job, current=5.0), began(job), ended(job)
    )

    after = await bench.job(root_id)
    assert (swept.id, returned) == (bench.hand.worker_id, 1)
    assert told.stale == [(root_id, 1)] * 5
    assert "no longer this worker's" in (told.answers[0].error or "")
    assert (after.journal_head, after.tally.total, after.progress) == (head, 0, None)
    assert not await bench.hand.renew()
    assert await bench.hand.take() == []


async def test_a_fact_of_a_stale_epoch_is_dropped_beside_one_that_is_not(bench: Bench) -> None:
    root_id = await bench.root()
    [old] = await bench.hand.take()
    await bench.hand.end(old, how=How.UNTOUCHED)
    [new] = await bench.hand.take()

    first = await bench.hand.tell(lines(old, "stale"), began(new), lines(new, "mine"))
    second = await bench.hand.tell(ended(new), lines(old, "stale"), ended(old, How.FAILED))

    assert first.stale == [(root_id, 1)]
    assert second.stale == [(root_id, 1)] * 2
    assert await bench.status(root_id) == S.COMPLETED
    assert [entry.message for entry in await bench.entries(root_id, q="stale")] == []


async def test_nothing_is_written_for_a_job_of_another_worker(bench: Bench) -> None:
    root_id = await bench.root()
    [job] = await bench.hand.take()
    thief = await other(bench)

    told = await thief.tell(ended(job))

    assert told.stale == [(root_id, 1)]
    assert await bench.status(root_id) == S.PENDING


async def test_nothing_follows_the_end_of_an_attempt(bench: Bench) -> None:
    job = await bench.running()

    told = await bench.hand.tell(ended(job), lines(job, "too late"), ended(job, How.FAILED))

    assert len(told.stale) == 2
    assert await bench.status(job.id) == S.COMPLETED


async def test_a_lapsed_worker_that_renews_before_the_sweep_keeps_its_jobs(bench: Bench) -> None:
    job = await bench.running()
    bench.clock.move(25)

    assert await bench.hand.renew()
    assert await bench.store.write(workers.sweep_workers) == []

    await bench.hand.end(job)
    assert await bench.status(job.id) == S.COMPLETED


async def test_what_ran_on_a_lost_worker_is_a_failed_attempt_and_runs_elsewhere(bench: Bench) -> None:
    root_id = (await bench.running()).id
    bench.clock.move(21)
    rescuer = await other(bench)
    await bench.store.write(workers.sweep_workers)

    job = await bench.job(root_id)
    assert (job.status, job.attempt) == (S.PENDING, 1)
    assert msgspec.json.decode(job.error or b"")["type"] == "WorkerLost"
    assert any("worker was lost" in entry.message for entry in await bench.entries(root_id))
    bench.clock.move(2)
    [again] = await rescuer.take()
    await rescuer.end(again)
    job = await bench.job(root_id)
    assert (job.status, job.attempt, job.epoch) == (S.COMPLETED, 2, 2)


async def test_what_was_only_reserved_comes_back_untouched(bench: Bench) -> None:
    root_id = await bench.root()
    await bench.hand.take()
    bench.clock.move(21)

    await bench.store.write(workers.sweep_workers)

    job = await bench.job(root_id)
    assert (job.status, job.attempt, job.ready, job.losses, job.owner) == (S.PENDING, 0, 1, 1, None)


async def test_a_last_attempt_that_is_lost_fails_for_good(bench: Bench) -> None:
    job = await bench.running(a_root(max_attempts=1))

    await bench.hand.leave()

    assert await bench.status(job.id) == S.FAILED


async def test_a_job_lost_twice_before_it_began_must_run_alone_and_then_counts(bench: Bench) -> None:
    root_id = await bench.root(a_root(max_attempts=1))
    for _ in range(2):
        [job] = await bench.hand.take()
        assert not needs_to_be_alone(job)
        await bench.hand.end(job, how=How.LOST)

    answer = await bench.hand.play(n=10)

    assert [task.job_id for task in answer.alone] == [root_id]
    assert answer.tasks == []
    [poison] = await bench.store.jobs_by_id([root_id])
    await bench.hand.begin(poison)
    await bench.hand.leave()
    assert await bench.status(root_id) == S.FAILED


async def test_a_job_stopped_through_no_fault_of_its_own_costs_no_attempt(bench: Bench) -> None:
    job = await bench.running(a_root(max_attempts=1))

    await bench.hand.end(job, how=How.REFUNDED)

    after = await bench.job(job.id)
    assert (after.status, after.attempt, after.losses, after.ready) == (S.PENDING, 0, 0, 1)


async def test_a_job_whose_executor_died_costs_no_attempt_but_is_remembered(bench: Bench) -> None:
    job = await bench.running(a_root(max_attempts=1))

    await bench.hand.end(job, how=How.LOST)

    after = await bench.job(job.id)
    assert (after.status, after.attempt, after.losses) == (S.PENDING, 0, 1)


async def test_a_draining_worker_takes_nothing_and_still_records(bench: Bench) -> None:
    job = await bench.running()
    await bench.root()
    await bench.store.write(workers.drain, bench.hand.worker_id)

    assert await bench.hand.take() == []
    assert await bench.hand.renew()
    await bench.hand.end(job)

    assert await bench.status(job.id) == S.COMPLETED


async def test_a_worker_that_leaves_gives_back_all_it_held_however_much(bench: Bench) -> None:
    parent, ids = await bench.family(6_000)
    await bench.hand.end(parent)
    await bench.hand.take()

    assert await bench.hand.leave() == 6_000

    rescuer = await other(bench)
    assert len(await rescuer.take()) == len(ids)


async def test_several_lapsed_workers_are_swept_together(bench: Bench) -> None:
    hands = [await other(bench) for _ in range(3)]
    for hand in hands:
        await bench.root()
        await hand.take(1)
    bench.clock.move(21)
    await bench.hand.renew()

    swept = await bench.store.write(workers.sweep_workers)

    assert sorted(worker.id for worker, _ in swept) == [hand.worker_id for hand in hands]
    assert [n for _, n in swept] == [1, 1, 1]
    assert await bench.store.write(workers.sweep_workers) == []


async def test_progress_is_absolute_and_counts_are_summed_on_job_and_root(bench: Bench) -> None:
    parent, _ = await bench.family(2)
    one, two = await bench.hand.take()

    await bench.hand.tell(progressed(one, current=1.0, total=2.0, counts={"pages": 2}))
    await bench.hand.tell(
        progressed(one, current=2.0, message="done"), progressed(two, counts={"pages": 3, "links": 1})
    )

    assert msgspec.json.decode((await bench.job(one.id)).progress or b"") == {
        "current": 2.0,
        "total": None,
        "message": "done",
    }
    assert msgspec.json.decode((await bench.job(one.id)).counts or b"") == {"pages": 2}
    assert msgspec.json.decode((await bench.job(parent.id)).counts or b"") == {"pages": 5, "links": 1}
    assert all("done" not in entry.message for entry in await bench.entries(parent.id))
