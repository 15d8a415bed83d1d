"""A job that takes its process down at once ends as failed after few tries, and costs its neighbours no attempt."""

import time
from pathlib import Path

import pytest
from tests.chaos.harness.stage import Stage, staged

from quaero.domain.bounds import MAX_LOSSES_BEFORE_SOLO
from quaero.domain.status import JobStatus
from quaero.storage.port import Ledger

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["poison", "poison.plain"])
async def test_a_job_that_kills_its_process_ends_and_its_neighbours_do_not_pay(
    store_url: str | None, tmp_path: Path, kind: str
) -> None:
    async with staged(tmp_path, url=store_url) as stage:
        stage.system.start(["work"])
        await stage.ready()
        neighbours = await stage.enqueue("nap", {"seconds": 1.0}, 30)
        [poison] = await stage.enqueue(kind, {})

        await stage.quiet()

        job = await stage.job(poison)
        assert (job.status, job.attempt) == (JobStatus.FAILED, 3)
        assert len(stage.marks().tries[poison]) <= 3 + MAX_LOSSES_BEFORE_SOLO
        for other in [await stage.job(job_id) for job_id in neighbours]:
            assert (other.status, other.attempt) == (JobStatus.COMPLETED, 1)
        verdict = stage.judge(whole_trees=False)
        assert not verdict.faults, verdict.faults


async def test_jobs_that_must_run_alone_do_not_hold_up_the_others(store_url: str | None, tmp_path: Path) -> None:
    async with staged(tmp_path, url=store_url) as stage:
        stage.system.start(["work"])
        await stage.ready()
        soon = time.time_ns() // 1_000 + 1_500_000
        long = await stage.enqueue("nap", {"seconds": 20.0}, 3, run_at=soon)
        await stage.store.write(suspect, long)
        await stage.until(lambda: any(job_id in stage.marks().tries for job_id in long), "one of them runs alone")

        others = await stage.enqueue("nap", {"seconds": 0.1}, 20) + await stage.enqueue(
            "nap.plain", {"seconds": 0.1}, 3
        )
        await stage.until(lambda: all_ended(stage, others), "the others are through", 12.0)

        assert not all_ended(stage, long)
        await stage.quiet(90)
        verdict = stage.judge(whole_trees=False)
        assert not verdict.faults, verdict.faults


def suspect(ledger: Ledger, job_ids: list[int]) -> None:
    """As if each of these had been lost often, with its executor."""
    for job in ledger.load(job_ids).values():
        job.losses = MAX_LOSSES_BEFORE_SOLO
        ledger.touch(job)


def all_ended(stage: Stage, job_ids: list[int]) -> bool:
    tries = stage.marks().tries
    return all(job_id in tries and tries[job_id][-1].how == "end" for job_id in job_ids)
