"""What becomes of a handler: results, errors, retries; recorded as it happened."""

from pathlib import Path

import pytest
from tests.integration.engine import BOTH_STORES, Engine, error, result, running, settings_for, status

from quaero.domain.job import Job
from quaero.engine.lifecycle.retry import retry

pytestmark = [pytest.mark.anyio, BOTH_STORES]


@pytest.mark.parametrize("executors", [1, 2])
async def test_neither_sort_of_handler_starves_beside_the_other(tmp_path: Path, executors: int) -> None:
    async with running(settings_for(tmp_path, executors=executors)) as engine:
        sitting = [await engine.submit("stays_plain") for _ in range(executors)]
        for job_id in sitting:
            await engine.reaches(job_id, "running")
        quick = await engine.run("add", {"a": 2, "b": 3})
        resting = await engine.submit("rests")
        await engine.reaches(resting, "running")
        for job_id in sitting:
            await engine.cancel(job_id)
        plain = await engine.run("add_plain", {"a": 4})
        await engine.cancel(resting)

        assert (status(quick), result(quick)) == ("completed", 5)
        assert (status(plain), result(plain)["sum"]) == ("completed", 5)
        assert status(await engine.ended(resting)) == "cancelled"


async def test_the_executor_kept_for_one_sort_is_not_given_to_the_other(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, executors=1)) as engine:
        sitting = [await engine.submit("stays_plain")]
        await engine.reaches(sitting[0], "running")
        for _ in range(3):
            assert status(await engine.run("add")) == "completed"
            sitting.append(await engine.submit("stays_plain"))

        assert status(await engine.run("add")) == "completed"
        assert [status(await engine.job(job_id)) for job_id in sitting] == ["running", *["pending"] * 3]
        for job_id in sitting[::-1]:
            await engine.cancel(job_id)


@pytest.mark.parametrize("executors", [1, 2])
async def test_many_jobs_of_both_sorts_all_end_with_their_own_results(tmp_path: Path, executors: int) -> None:
    async with running(settings_for(tmp_path, executors=executors)) as engine:
        plain = [await engine.submit("add_plain", {"a": n}) for n in range(40)]
        quick = [await engine.submit("add", {"a": n}) for n in range(200)]

        sums = [result(await engine.ended(job_id)) for job_id in quick]
        plain_sums = [result(await engine.ended(job_id))["sum"] for job_id in plain]

        assert sums == [n + 1 for n in range(200)]
        assert plain_sums == [n + 1 for n in range(40)]


async def test_an_error_is_kept_with_its_type_message_and_traceback(engine: Engine) -> None:
    job = await engine.run("fails", {"message": "no luck today"})

    assert (status(job), job.attempt) == ("failed", 2)
    assert error(job)["type"] == "ValueError"
    assert error(job)["message"] == "no luck today"
    assert "raise ValueError(message)" in error(job)["traceback"]
    [group] = await engine.store.errors(job.id)
    assert (group.message, group.count, group.example_ids) == ("no luck today", 1, [job.id])


async def test_a_failed_attempt_is_tried_again_after_a_pause_until_it_works(engine: Engine) -> None:
    job = await engine.run("third_time_lucky")

    assert (status(job), job.attempt, result(job), job.error) == ("completed", 3, 3, None)
    pauses = [text for text in await engine.texts(job.id) if "trying again in" in text]
    assert len(pauses) == 2


async def test_a_handler_that_asks_to_wait_is_not_run_before(engine: Engine) -> None:
    job = await engine.run("asks_to_wait", {"after": 0.7})

    changes = [entry for entry in await engine.entries(job.id) if (entry.fields or {}).get("status")]
    began = [entry.at for entry in changes if (entry.fields or {})["status"] == "running"]
    assert (status(job), result(job), job.attempt) == ("completed", "later", 2)
    assert began[1] - began[0] >= 700_000


async def test_a_fatal_error_ends_the_job_however_many_attempts_are_left(engine: Engine) -> None:
    job = await engine.run("gives_up")

    assert (status(job), job.attempt, job.max_attempts) == ("failed", 1, 5)
    assert error(job)["message"] == "no such page"


@pytest.mark.parametrize(
    ("payload", "word"), [({"a": "two"}, "a"), ({"c": 1}, "c")], ids=["a wrong type", "an unknown name"]
)
async def test_a_payload_that_does_not_fit_fails_at_once_and_says_what_is_wrong(
    engine: Engine, payload: dict[str, object], word: str
) -> None:
    job = await engine.run("add", payload)

    assert (status(job), job.attempt) == ("failed", 1)
    assert error(job)["type"] == "InvalidPayload"
    assert word in error(job)["message"]


async def test_a_retry_by_hand_opens_a_new_round_that_can_end_otherwise(engine: Engine) -> None:
    failed = await engine.run("fails_once_by_hand")
    await engine.store.write(retry, failed.id)

    async def second_round() -> Job | None:
        job = await engine.job(failed.id)
        return job if job.round == 2 and job.is_terminal else None

    again = await engine.until(second_round, "the end of the second round")
    assert again is not None
    assert (status(failed), failed.round) == ("failed", 1)
    assert (status(again), result(again), again.attempt) == ("completed", "round 2", 1)
