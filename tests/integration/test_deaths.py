"""Handlers that take their process down: the attempt counts once, a poison job ends, nobody else is harmed."""

import asyncio
from pathlib import Path

import pytest
from tests.integration.engine import BOTH_STORES, Engine, error, running, settings_for, status

from quaero.engine.lifecycle import bulk
from quaero.engine.lifecycle.enqueue import queue_again
from quaero.storage.port import JobFilter, Ledger

pytestmark = [pytest.mark.anyio, BOTH_STORES]

DEATHS = {"segfault": "signal SIGSEGV", "exit": "exit code 7", "abort": "signal SIGABRT"}


@pytest.mark.parametrize("how", DEATHS)
async def test_a_plain_job_that_kills_its_process_fails_after_its_attempts(engine: Engine, how: str) -> None:
    neighbour = await engine.submit("stays_plain")
    await engine.says(neighbour, "staying in")

    job = await engine.run("dies", {"how": how})

    assert (status(job), job.attempt, job.losses) == ("failed", 2, 0)
    assert error(job)["type"] == "ProcessDied"
    assert DEATHS[how] in error(job)["message"]
    assert len([text for text in await engine.texts(neighbour) if "staying in" in text]) == 1
    assert (await engine.job(neighbour)).attempt == 1
    await engine.cancel(neighbour)
    await engine.ended(neighbour)


async def test_a_poison_job_among_others_ends_failed_and_the_others_complete(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, executors=1)) as engine:
        neighbours = [await engine.submit("polite_neighbour", {"seconds": 0.3}) for _ in range(5)]
        poison = await engine.submit("dies_among_others", {"how": "segfault"})
        neighbours += [await engine.submit("polite_neighbour", {"seconds": 0.3}) for _ in range(5)]

        job = await engine.ended(poison)
        others = await asyncio.gather(*(engine.ended(job_id) for job_id in neighbours))

        assert (status(job), job.attempt) == ("failed", 2)
        assert error(job)["type"] == "ProcessDied"
        assert [status(other) for other in others] == ["completed"] * 10
        assert {other.attempt for other in others} == {1}


async def test_a_bulk_whose_worker_was_lost_goes_on_while_every_executor_is_taken(tmp_path: Path) -> None:
    """It waits its backoff, and then it must not wait for an executor, which it does not need."""
    async with running(settings_for(tmp_path, executors=1, concurrency=1)) as engine:
        stuck = [await engine.submit(kind, tags=("stuck",)) for kind in ("stays_plain", "rests")]
        for job_id in stuck:
            await engine.reaches(job_id, "running")

        again = await engine.write(_ordered_and_lost)

        assert status(await engine.ended(again)) == "completed"
        assert [status(await engine.ended(job_id)) for job_id in stuck] == ["cancelled"] * 2


def _ordered_and_lost(ledger: Ledger) -> int:
    where = JobFilter(roots=True, tag="stuck", descending=False)
    job = bulk.order(ledger, bulk.Order(action="cancel", asked={}, where=where))
    queue_again(ledger, job, run_at=ledger.now + 300_000)
    return job.id
