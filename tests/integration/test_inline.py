"""`quaero.testing.inline`: handlers tested in the test's own process, with everything they spawn."""

import logging
import sys
import time

import pytest
from tests.integration import listeners
from tests.integration.apps import add, app, parent

import quaero
import quaero.testing
from quaero.domain.errors import InvalidInput, UnknownKind

pytestmark = pytest.mark.anyio


async def test_a_job_runs_here_and_its_end_can_be_looked_at() -> None:
    async with quaero.testing.inline(app) as run:
        by_name = await run("add", a=2, b=5)
        by_function = await run(add, {"a": 1})
        plain = await run("add_plain", a=3)

    assert (by_name.status, by_name.result, by_name.payload) == ("completed", 7, {"a": 2, "b": 5})
    assert by_function.result == 2
    assert plain.result["sum"] == 4


async def test_all_that_it_spawns_runs_too() -> None:
    async with quaero.testing.inline(app) as run:
        quick = await run(parent, n=30)
        plain = await run("parent_plain", n=2_500)
        seen = await run("sees_children")
        every = await run("options")

    assert [child.result for child in quick.children] == [2] * 30
    assert [child.id for child in plain.children] == plain.result["ids"]
    assert [child["result"] for child in seen.result] == [10, 11, 12]
    assert (every.status, len(every.children)) == ("completed", 3)
    assert len(every.everything) == 4


async def test_what_it_says_is_in_its_log_and_what_the_test_says_is_not() -> None:
    async with quaero.testing.inline(app) as run:
        print("said by the test")
        quick = await run("talks_async")
        plain = await run("talks")

    assert quick.log[:2] == (f"printed by {quick.id}", "debugging")
    assert quick.log[2].startswith("caught\nTraceback")
    for line in ("printed", "to stderr", "logged", "from a library"):
        assert line in plain.log
    assert "said by the test" not in quick.log + plain.log
    assert next(entry for entry in plain.entries if entry.message == "logged").fields == {"page": 7}


async def test_a_failure_is_an_answer_and_back_offs_cost_no_time() -> None:
    began = time.monotonic()
    async with quaero.testing.inline(app) as run:
        lucky = await run("third_time_lucky")
        late = await run("asks_to_wait", after=3_600.0)
        hopeless = await run("fails", message="never")

    assert time.monotonic() - began < 20
    assert (lucky.status, lucky.attempt) == ("completed", 3)
    assert (late.status, late.result) == ("completed", "later")
    assert hopeless.status == "failed"
    assert hopeless.error is not None
    assert (hopeless.error["type"], hopeless.error["message"]) == ("ValueError", "never")


async def test_limits_and_delays_hold_by_the_clock_of_the_run() -> None:
    async with quaero.testing.inline(app) as run:
        before = run.clock.now()
        root = await run("host", n=5, at_once=5, apart=60.0)

    assert [child.status for child in root.children] == ["completed"] * 5
    assert run.clock.now() - before >= 240_000_000


async def test_a_coroutine_past_its_timeout_is_interrupted() -> None:
    async with quaero.testing.inline(app) as run:
        job = await run("rests_a_while")

    assert job.error is not None
    assert (job.status, job.error["message"]) == ("failed", "timed out after 300ms")


async def test_events_counts_progress_and_documents_can_be_asserted_on() -> None:
    async with quaero.testing.inline(app) as run:
        root = await run("parent", n=2, kind="tells")

    child = root.children[0]
    assert child.result == {"told": True}
    assert child.counts == {"pages": 3, "bytes": 100}
    assert child.progress == {"current": 1, "total": 2, "message": "half"}
    assert [document.title for document in child.documents] == ["A page"]
    assert [type(event) for event in child.events] == [
        quaero.JobCreated,
        quaero.JobStatusChanged,
        quaero.JobStarted,
        quaero.JobStatusChanged,
        quaero.JobCompleted,
    ]
    assert isinstance(root.events[-1], quaero.JobCompleted)
    assert sum(isinstance(event, quaero.JobCompleted) for event in root.events) == 3


async def test_subscribers_are_called_before_the_run_is_over(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path_factory.mktemp("notes") / "notes"
    monkeypatch.setenv("NOTES", str(notes))
    async with quaero.testing.inline(listeners.app) as run:
        await run("gives_up")

    assert [line for line in notes.read_text().splitlines() if '"failures"' in line]


async def test_what_cannot_be_asked_for_is_refused() -> None:
    async with quaero.testing.inline(app) as run:
        with pytest.raises(UnknownKind, match=r"nobody\.knows"):
            await run("nobody.knows")
        with pytest.raises(InvalidInput, match="JSON"):
            await run("add", a=object())


async def test_nothing_of_the_process_is_changed_afterwards() -> None:
    root = logging.getLogger()
    before = (sys.stdout, sys.stderr, list(root.handlers), root.level, logging.getLoggerClass())
    async with quaero.testing.inline(app) as run:
        await run("talks")
        after = (sys.stdout, sys.stderr, list(root.handlers), root.level, logging.getLoggerClass())

    assert after == before
