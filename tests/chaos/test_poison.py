"""A job that takes its process down at once ends as failed after few tries, and costs its neighbours no attempt."""

from pathlib import Path

import pytest
from tests.chaos.harness.stage import staged

from quaero.domain.bounds import MAX_LOSSES_BEFORE_SOLO
from quaero.domain.status import JobStatus

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["poison", "poison.plain"])
async def test_a_job_that_kills_its_process_ends_and_its_neighbours_do_not_pay(tmp_path: Path, kind: str) -> None:
    async with staged(tmp_path) as stage:
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
