"""SIGTERM: what runs gets the grace, what has not begun goes back untouched, and all leave in time with code 0."""

import signal
import time
from pathlib import Path

import pytest
from tests.chaos.harness.stage import staged

from quaero.domain.status import JobStatus

pytestmark = pytest.mark.anyio


async def test_a_drain_lets_running_jobs_end_and_gives_back_the_rest_untouched(
    store_url: str | None, tmp_path: Path
) -> None:
    async with staged(tmp_path, url=store_url, lease=5.0, heartbeat=0.5, grace=8.0) as stage:
        [supervisor] = [stage.system.start(["work"])]
        await stage.ready()
        running = await stage.enqueue("nap", {"seconds": 2.0}, 20)
        plain = await stage.enqueue("nap.plain", {"seconds": 1.5}, 12)  # more than can run at once
        await stage.begun(*running)
        await stage.until(lambda: any(job_id in stage.marks().tries for job_id in plain), "a plain one runs")

        asked = time.monotonic()
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(12) == 0

        assert time.monotonic() - asked < 8.0
        tries = stage.marks().tries
        assert [(await stage.job(job_id)).status for job_id in running] == [JobStatus.COMPLETED] * 20
        for job in [await stage.job(job_id) for job_id in plain]:
            if job.id in tries:
                assert (job.status, job.attempt) == (JobStatus.COMPLETED, 1)
            else:
                assert (job.status, job.attempt, job.losses, job.owner) == (JobStatus.PENDING, 0, 0, None)
        assert not all(job_id in tries for job_id in plain), "some had not begun"
        assert not stage.system.processes()
        stage.system.revive()
        await stage.quiet()
        assert {(await stage.job(job_id)).attempt for job_id in plain} == {1}
        verdict = stage.judge(whole_trees=False)
        assert not verdict.faults, verdict.faults


async def test_what_outlasts_the_grace_is_ended_and_its_attempt_does_not_count(
    store_url: str | None, tmp_path: Path
) -> None:
    async with staged(tmp_path, url=store_url, lease=5.0, heartbeat=0.5, grace=1.0) as stage:
        supervisor = stage.system.start(["work"])
        await stage.ready()
        long = [*await stage.enqueue("nap", {"seconds": 600.0}), *await stage.enqueue("nap.plain", {"seconds": 600.0})]
        await stage.begun(*long)

        asked = time.monotonic()
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(10) == 0

        assert 0.9 < time.monotonic() - asked < 4.0
        for job in [await stage.job(job_id) for job_id in long]:
            assert (job.status, job.attempt, job.owner) == (JobStatus.PENDING, 0, None)
        assert not stage.system.processes()


async def test_a_second_signal_ends_everything_at_once(store_url: str | None, tmp_path: Path) -> None:
    async with staged(tmp_path, url=store_url, lease=5.0, heartbeat=0.5, grace=60.0) as stage:
        supervisor = stage.system.start(["up", "--port", "0"])
        await stage.ready()
        long = [*await stage.enqueue("nap", {"seconds": 600.0}), *await stage.enqueue("nap.plain", {"seconds": 600.0})]
        await stage.begun(*long)

        supervisor.send_signal(signal.SIGTERM)
        draining = "select 1 from worker where state = 'draining'"
        await stage.until(lambda: stage.store.rows(draining), "the worker has said that it takes nothing more")
        asked = time.monotonic()
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(10) == 0

        assert time.monotonic() - asked < 3.0
        for job in [await stage.job(job_id) for job_id in long]:
            assert (job.status, job.attempt, job.owner) == (JobStatus.PENDING, 0, None)
        assert not stage.system.processes()
