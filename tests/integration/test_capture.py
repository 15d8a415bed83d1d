"""Output of every sort, from the handler's hands to the journal: whole, in order, numbered, in bounded memory."""

import itertools
import resource
from pathlib import Path

import pytest
from tests.integration.engine import Engine, result, running, settings_for, status

from quaero.domain.entries import Level, Originator
from quaero.storage.port import EntryFilter

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


async def test_everything_a_plain_job_says_is_in_its_log(engine: Engine) -> None:
    job = await engine.run("talks", max_attempts=1)

    said = {entry.message: entry for entry in await engine.entries(job.id) if not (entry.fields or {}).get("status")}
    levels = {message: entry.level for message, entry in said.items()}
    assert levels["printed"] == Level.INFO
    assert levels["to stderr"] == Level.WARN
    assert levels["logged"] == Level.INFO
    assert said["logged"].fields == {"page": 7}
    assert levels["from a library"] == Level.WARN
    assert any("UserWarning: careful" in message for message in said)
    assert levels["from a program"] == Level.INFO
    assert levels["complaint"] == Level.WARN
    assert levels["raw bytes"] == Level.INFO
    tracebacks = [message for message, level in levels.items() if "Traceback" in message]
    assert len(tracebacks) == 1
    assert 'raise ValueError("with a traceback")' in tracebacks[0]


async def test_what_jobs_on_one_loop_say_goes_to_the_one_that_said_it(engine: Engine) -> None:
    jobs = [await engine.submit("talks_async") for _ in range(30)]

    for job_id in jobs:
        await engine.ended(job_id)
        texts = await engine.texts(job_id)
        assert [text for text in texts if text.startswith("printed by")] == [f"printed by {job_id}"]
        assert "debugging" in texts
        assert any(text.startswith("caught\nTraceback") for text in texts)
        assert [entry.line_number for entry in await engine.entries(job_id)] == list(range(1, len(texts) + 1))


async def test_an_endless_line_of_a_program_is_kept_in_parts_and_in_bounded_memory(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, executors=1)) as engine:
        small = result(await engine.run("floods", {"mib": 1}))
        ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        job = await engine.run("floods", {"mib": 100})
        more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - ours

        parts = [entry for entry in await engine.entries(job.id) if entry.message.startswith("xxx")]
        assert status(job) == "completed"
        assert sum(len(entry.message) for entry in parts) == 100 * MIB
        assert max(len(entry.message) for entry in parts) <= 64 * 1024
        assert [bool((entry.fields or {}).get("continued")) for entry in parts] == [False] + [True] * (len(parts) - 1)
        assert result(job) - small < 40 * 1024, "KiB more in the executor"
        assert more < 150 * 1024, "KiB more in the worker"


async def test_a_million_lines_are_all_there_and_dense(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, executors=1)) as engine:
        job = await engine.run("chatters", {"lines": 1_000_000})

        count = last = lines = 0
        while True:
            page = await engine.store.entries(job.id, EntryFilter(), after=last, limit=100_000)
            if not page.entries:
                break
            assert [entry.seq for entry in page.entries] == list(range(last + 1, last + len(page.entries) + 1))
            said = [entry.message for entry in page.entries if entry.message.startswith("line ")]
            assert said == [f"line {lines + n}" for n in range(len(said))]
            count += len(page.entries)
            lines += len(said)
            last = page.entries[-1].seq
        assert (status(job), lines, count) == ("completed", 1_000_000, job.journal_head)


async def test_beyond_its_cap_a_log_keeps_its_start_and_its_end_and_says_how_much_is_missing(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, executors=1, logs={"max_bytes_per_attempt": MIB})
    async with running(settings) as engine:
        job = await engine.run("chatters", {"lines": 200_000})

        entries = await engine.entries(job.id)
        numbers = [int(entry.message[5:]) for entry in entries if entry.message.startswith("line ")]
        [gap] = [entry for entry in entries if (entry.fields or {}).get("lost")]
        lost = (gap.fields or {})["lost"]
        assert gap.originator == Originator.SYSTEM
        assert len(numbers) + lost == 200_000
        assert (numbers[0], numbers[-1]) == (0, 199_999)
        holes = [(a, b) for a, b in itertools.pairwise(numbers) if b != a + 1]
        assert len(holes) == 1
        assert holes[0][1] - holes[0][0] - 1 == lost


async def test_lines_below_the_least_level_are_not_recorded(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, logs={"min_level": "warn"})) as engine:
        job = await engine.run("talks_async")

        said = [entry for entry in await engine.entries(job.id) if not (entry.fields or {}).get("status")]
        assert said
        assert min(entry.level for entry in said) >= Level.WARN


async def test_output_of_a_program_left_behind_does_not_get_into_the_next_log(engine: Engine) -> None:
    job = await engine.run("leaves_a_talker")
    after = [await engine.run("add_plain") for _ in range(3)]

    async def service_heard() -> bool:
        page = await engine.store.entries(0, EntryFilter(), limit=1_000)
        return any("too late" in entry.message for entry in page.entries)

    await engine.until(service_heard, "the late words in the service log")
    for other in [job, *after]:
        assert not any("too late" in text for text in await engine.texts(other.id))


async def test_a_handler_that_sets_up_logging_itself_is_heard_once(engine: Engine) -> None:
    job = await engine.run("configures_logging")

    texts = await engine.texts(job.id)
    assert texts.count("by its own logger") == 1
    assert texts.count("by the root logger") == 1
