"""`@app.on`: told after the commit, at least once, in order within a tree, again after an error; never in the way."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine import BOTH_STORES, Engine, running, settings_for, status

from quaero.engine.lifecycle.deliveries import take_deliveries

pytestmark = [pytest.mark.anyio, BOTH_STORES]

APP = "tests.integration.listeners"
FAR = 4_000_000_000_000_000  # the year 2096


class Notes:
    """What subscribers wrote down."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refuse = Path(f"{path}.refuse")

    def of(self, who: str, root_id: int | None = None) -> list[dict[str, Any]]:
        """What one subscriber was told, in order."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        told = [json.loads(line) for line in lines]
        return [one for one in told if one["who"] == who and (root_id is None or one["root"] == root_id)]


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Notes:
    path = tmp_path / "notes"
    monkeypatch.setenv("NOTES", str(path))
    return Notes(path)


@pytest.fixture
async def told(tmp_path: Path, notes: Notes) -> AsyncIterator[Engine]:
    async with running(settings_for(tmp_path, executors=2), app=APP) as engine:
        yield engine


async def quiet(engine: Engine) -> None:
    """Wait until every event was taken."""

    async def none_left() -> bool:
        return await engine.store.rows("select count(*) from delivery") == [(0,)]

    await engine.until(none_left, "the end of all deliveries")


async def test_subscribers_hear_of_every_job_of_a_tree_in_order(told: Engine, notes: Notes) -> None:
    root = await told.run("parent", {"n": 20})
    await quiet(told)

    heard = [(one["what"], one["job"]) for one in notes.of("everything", root.id)]
    assert heard[0] == ("JobCreated", root.id)
    assert heard[-1] == ("JobCompleted", root.id)
    for child in await told.children(root.id):
        assert heard.index(("JobCreated", child.id)) < heard.index(("JobCompleted", child.id))
    assert len(heard) == len(set(heard)) == 42
    assert [one["more"] for one in notes.of("spawns", root.id)] == ["20"]
    assert len(notes.of("starts", root.id)) == 21


async def test_plain_subscribers_and_several_for_one_event_all_hear(told: Engine, notes: Notes) -> None:
    job = await told.run("gives_up")
    await quiet(told)

    assert [one["what"] for one in notes.of("failures")] == ["JobFailed"]
    assert [one["what"] for one in notes.of("everything", job.id)] == ["JobCreated", "JobFailed"]


async def test_a_subscriber_that_raises_is_told_again_and_the_job_is_not_touched(told: Engine, notes: Notes) -> None:
    notes.refuse.touch()
    job = await told.run("add")

    async def refused_once() -> bool:
        return len(notes.of("starts", job.id)) >= 1

    await told.until(refused_once, "the first call")
    notes.refuse.unlink()
    await quiet(told)

    assert (status(job), job.attempt) == ("completed", 1)
    assert len(notes.of("starts", job.id)) >= 2
    assert {one["more"] for one in notes.of("starts", job.id)} == {"1"}
    assert len(notes.of("everything", job.id)) == 2


async def test_what_was_not_delivered_when_the_worker_left_is_delivered_by_the_next(
    tmp_path: Path, notes: Notes
) -> None:
    notes.refuse.touch()
    settings = settings_for(tmp_path, executors=1)
    async with running(settings, app=APP) as engine:
        job = await engine.run("add")

        async def refused_once() -> bool:
            return len(notes.of("starts", job.id)) >= 1

        await engine.until(refused_once, "the first call")
        await engine.stop()
        notes.refuse.unlink()
        before = len(notes.of("starts", job.id))
        await engine.start(APP)
        await quiet(engine)

        assert len(notes.of("starts", job.id)) > before


async def test_steps_that_finish_are_told(told: Engine, notes: Notes) -> None:
    root_id = await told.define(
        """
        id = "d"
        name = "D"
        [step.one]
        type = "add"
        [step.two]
        type = "gives_up"
        depends = "one"
        """
    )
    await told.ended(root_id)
    await quiet(told)

    assert [one["more"] for one in notes.of("steps", root_id)] == ["completed", "failed"]


class Meanwhile:
    """A store that gives the first event only once a plain job runs: what was known of the executors is old by then."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.job_id = 0
        self.rows = engine.store.rows

    async def write(self, script: Callable[..., Any], *args: Any) -> Any:
        answer = await self._engine.store.write(script, *args)
        if script is take_deliveries and answer and not self.job_id:
            self.job_id = await self._engine.submit("stays_plain")
            await self._engine.reaches(self.job_id, "running")
        return answer


async def test_a_long_plain_job_does_not_hold_up_what_subscribers_are_told(tmp_path: Path, notes: Notes) -> None:
    async with running(settings_for(tmp_path, executors=1), app=APP) as engine:
        [(worker, _)] = engine.workers
        worker._deliveries._store = store = Meanwhile(engine)
        late = await engine.submit("add", run_at=FAR)

        async def heard() -> bool:
            return bool(store.job_id) and len(notes.of("starts", store.job_id)) == 1

        await engine.until(heard, "its start, while it runs")
        assert status(await engine.job(store.job_id)) == "running"
        for job_id in (store.job_id, late):
            await engine.cancel(job_id)
            await engine.ended(job_id)
        await quiet(engine)
        for job_id in (store.job_id, late):
            assert [one["what"] for one in notes.of("everything", job_id)] == ["JobCreated", "JobCancelled"]
