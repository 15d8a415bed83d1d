"""Timeouts and cancellations: what was asked to stop stops, and nobody else."""

import re
import time
from pathlib import Path

import pytest
from tests.integration.engine import BOTH_STORES, Engine, error, running, settings_for, status

pytestmark = [pytest.mark.anyio, BOTH_STORES]


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


async def pid_in_log(engine: Engine, job_id: int, words: str) -> int:
    """A process id a job told."""
    await engine.says(job_id, words)
    text = next(text for text in await engine.texts(job_id) if words in text)
    return int(re.findall(r"\d+", text)[-1])


# --- timeouts


async def test_an_async_handler_that_yields_is_interrupted_and_its_neighbours_notice_nothing(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, executors=1)) as engine:
        neighbour = await engine.submit("rests")
        await engine.says(neighbour, "resting")

        quick = await engine.run("rests_a_while")
        slow = await engine.run("cleans_up")

        assert (status(quick), quick.attempt) == ("failed", 1)
        assert (error(quick)["type"], error(quick)["message"]) == ("TimedOut", "timed out after 300ms")
        assert (error(slow)["type"], error(slow)["message"]) == ("TimedOut", "timed out after 200ms")
        assert "cleaned up" in await engine.texts(slow.id)
        assert await engine.texts(neighbour, level=1) == ["Status changed: running", "resting"]
        await engine.cancel(neighbour)
        await engine.ended(neighbour)


async def test_an_async_handler_that_never_yields_dies_with_its_executor_and_neighbours_come_back(
    tmp_path: Path,
) -> None:
    async with running(settings_for(tmp_path, executors=1)) as engine:
        neighbours = [await engine.submit("rests") for _ in range(3)]
        for job_id in neighbours:
            await engine.says(job_id, "resting")
        [before] = engine.executors

        stuck = await engine.run("never_yields")

        assert (status(stuck), error(stuck)["type"]) == ("failed", "TimedOut")
        assert not is_alive(before)
        for job_id in neighbours:
            await rests_again(engine, job_id)
            job = await engine.job(job_id)
            assert (status(job), job.attempt, job.losses) == ("running", 1, 0)
            assert any("another job in its process had to be killed" in text for text in await engine.texts(job_id))
            await engine.cancel(job_id)
            assert status(await engine.ended(job_id)) == "cancelled"


async def rests_again(engine: Engine, job_id: int) -> None:
    """Wait until a handler that rests was run a second time."""

    async def twice() -> bool:
        return (await engine.texts(job_id)).count("resting") == 2

    await engine.until(twice, f"job {job_id} runs again")


async def test_a_plain_timeout_kills_exactly_that_process_and_what_it_started(engine: Engine) -> None:
    neighbour = await engine.submit("stays_plain")
    its_process = await pid_in_log(engine, neighbour, "staying in")
    doomed = await engine.submit("plain_too_long")
    program = await pid_in_log(engine, doomed, "started")

    job = await engine.ended(doomed)

    assert (status(job), error(job)["type"]) == ("failed", "TimedOut")
    assert not is_alive(program)
    assert is_alive(its_process)
    assert (await engine.texts(neighbour)).count(f"staying in {its_process}") == 1
    await engine.cancel(neighbour)
    assert status(await engine.ended(neighbour)) == "cancelled"
    assert not is_alive(its_process)


# --- cancel


async def test_cancelling_a_job_that_waits_for_its_time_ends_it_at_once(engine: Engine) -> None:
    later = round(time.time() * 1e6) + 3_600_000_000
    job_id = await engine.submit("add", run_at=later)

    affected = await engine.cancel(job_id)

    job = await engine.job(job_id)
    assert (status(job), job.attempt, affected) == ("cancelled", 0, 1)


@pytest.mark.parametrize("kind", ["rests", "polite", "stays_plain"])
async def test_cancelling_a_running_job_stops_its_handler(engine: Engine, kind: str) -> None:
    job_id = await engine.submit(kind)
    await engine.reaches(job_id, "running")
    await engine.until(lambda: engine.texts(job_id, level=1))

    await engine.cancel(job_id)

    job = await engine.ended(job_id)
    assert (status(job), job.attempt) == ("cancelled", 1)
    after = await engine.run("add")
    assert status(after) == "completed"


async def test_a_handler_that_was_asked_and_does_not_go_is_killed_after_the_grace(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, executors=1, grace=0.5)) as engine:
        neighbour = await engine.submit("rests")
        stubborn = await engine.submit("ignores_cancel")
        await engine.says(stubborn, "not listening")
        await engine.says(neighbour, "resting")
        [before] = engine.executors
        began = time.monotonic()

        await engine.cancel(stubborn)

        job = await engine.ended(stubborn)
        assert status(job) == "cancelled"
        assert time.monotonic() - began >= 0.5
        assert not is_alive(before)
        assert "asked, not going" in await engine.texts(stubborn)
        await rests_again(engine, neighbour)
        assert (await engine.job(neighbour)).attempt == 1
        await engine.cancel(neighbour)
        await engine.ended(neighbour)


async def test_cancelling_a_waiting_parent_ends_all_its_children(engine: Engine) -> None:
    root_id = await engine.submit("parent", {"n": 250, "kind": "rests"})
    await engine.reaches(root_id, "waiting")

    await engine.cancel(root_id)

    root = await engine.ended(root_id)
    assert (status(root), root.tally.cancelled, root.tally.total) == ("cancelled", 250, 250)


async def test_cancelling_a_parent_of_a_thousand_while_it_spawns_lets_no_child_run_on(engine: Engine) -> None:
    root_id = await engine.submit("spawns_slowly", {"n": 1_000})

    async def some() -> bool:
        return (await engine.job(root_id)).tally.total > 50

    await engine.until(some, "some children")
    await engine.cancel(root_id)

    root = await engine.ended(root_id)
    assert status(root) == "cancelled"
    assert 50 < root.tally.total < 1_000
    assert root.tally.cancelled == root.tally.total
    running = await engine.store.rows("select count(*) from job where root_id = ? and status < 3", (root_id,))
    assert running == [(0,)]


async def test_cancelling_one_child_leaves_its_siblings_alone(engine: Engine) -> None:
    root_id = await engine.submit("parent", {"n": 3, "kind": "rests"})
    await engine.reaches(root_id, "waiting")
    first, second, third = await engine.children(root_id)
    await engine.reaches(second.id, "running")

    await engine.cancel(second.id)
    await engine.ended(second.id)

    assert status(await engine.job(root_id)) == "waiting"
    await engine.reaches(first.id, "running")
    await engine.reaches(third.id, "running")
    await engine.cancel(root_id)
    assert status(await engine.ended(root_id)) == "cancelled"
