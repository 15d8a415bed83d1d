"""The definitions directory and schedules of a running worker."""

import time
from pathlib import Path
from textwrap import dedent

import pytest
from tests.integration.engine import BOTH_STORES, running, settings_for, status

from quaero.domain.definitions import parse
from quaero.domain.job import Job
from quaero.engine.lifecycle.catalogue import replace_definition
from quaero.storage.port import JobFilter

pytestmark = [pytest.mark.anyio, BOTH_STORES]


def write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(dedent(text))


async def test_the_directory_is_loaded_and_a_bad_file_harms_only_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "job-definitions"
    write(folder, "good", 'id = "good"\nname = "Good"\n[step.one]\ntype = "add"\n')
    write(folder, "bad", 'id = "bad"\nname = "Bad"\n[step.one]\ntype = "add"\ndepends = "nobody"\n')
    (folder / "nowhere.toml").symlink_to("/nothing/there")
    (folder / "folder.toml").mkdir()
    write(folder, "strange", 'id = "strange"\nname = "Strange"\n[step.one]\ntype = "of.nobody"\n')
    async with running(settings_for(tmp_path)) as engine:

        async def found() -> dict[str, str | None]:
            rows: dict[str, str | None] = dict(await engine.store.rows("select id, problem from definition"))
            return rows if len(rows) == 2 else {}

        loaded = await engine.until(found, "the definitions")

        assert set(loaded) == {"good", "strange"}
        assert loaded["good"] is None
        assert "of.nobody" in (loaded["strange"] or "")
        told = " ".join(record.getMessage() for record in caplog.records)
        assert {name for name in ("bad.toml", "nowhere.toml", "folder.toml") if name in told} == {
            "bad.toml",
            "nowhere.toml",
            "folder.toml",
        }
        assert "depends" in told
        assert "nobody" in told


async def test_a_file_that_changes_or_goes_is_noticed_while_the_worker_runs(tmp_path: Path) -> None:
    folder = tmp_path / "job-definitions"
    write(folder, "one", 'id = "one"\nname = "First"\n[step.a]\ntype = "add"\n')
    async with running(settings_for(tmp_path, lease=8.0, heartbeat=0.2)) as engine:

        async def names() -> list[str]:
            return [name for (name,) in await engine.store.rows("select name from definition")]

        async def are(expected: list[str]) -> bool:
            return await names() == expected

        await engine.until(lambda: are(["First"]), "the first")
        write(folder, "one", 'id = "one"\nname = "Second"\n[step.a]\ntype = "add"\n')
        await engine.until(lambda: are(["Second"]), "the second")
        (folder / "one.toml").unlink()
        await engine.until(lambda: are([]), "none")


async def test_what_starts_by_itself_starts_once(tmp_path: Path) -> None:
    write(
        tmp_path / "job-definitions",
        "auto",
        'id = "auto"\nname = "Auto"\nauto_start = true\n[step.one]\ntype = "add"\n',
    )
    async with running(settings_for(tmp_path)) as engine:

        async def done() -> list[Job]:
            page = await engine.store.jobs(JobFilter(roots=True))
            return [job for job in page.jobs if job.is_terminal]

        [root] = await engine.until(done, "the automatic run")

        assert (root.name, status(root), root.definition) == ("Auto", "completed", "auto")


async def test_a_schedule_fires_once_for_a_tick_however_many_workers_there_are(tmp_path: Path) -> None:
    text = 'id = "s"\nname = "Scheduled"\nschedule = "0 4 * * *"\n[step.one]\ntype = "add"\n'
    write(tmp_path / "job-definitions", "s", text)
    async with running(settings_for(tmp_path, lease=8.0, heartbeat=0.2), workers=2) as engine:

        async def next_at() -> int:
            rows = await engine.store.rows("select next_at from definition where id = 's'")
            return int(rows[0][0]) if rows else 0

        tomorrow = await engine.until(next_at, "the definition")
        tick = round(time.time() * 1e6) - 60_000_000
        assert tomorrow > tick
        await engine.store.write(lambda ledger: ledger.run("update definition set next_at = ?", (tick,)))

        async def moved_on() -> bool:
            return await next_at() > tick

        await engine.until(moved_on, "the tick")
        page = await engine.store.jobs(JobFilter(roots=True))
        assert [job.name for job in page.jobs] == ["Scheduled"]
        assert status(await engine.ended(page.jobs[0].id)) == "completed"
        assert await next_at() > round(time.time() * 1e6)


async def test_a_definition_becomes_runnable_when_somebody_announces_its_kind(tmp_path: Path) -> None:
    write(
        tmp_path / "job-definitions",
        "later",
        'id = "later"\nname = "Later"\nauto_start = true\n[step.one]\ntype = "add"\n',
    )
    async with running(settings_for(tmp_path, lease=8.0, heartbeat=0.2), app="tests.integration.nothing") as engine:

        async def refused() -> bool:
            rows = await engine.store.rows("select problem from definition")
            return bool(rows) and "'add'" in rows[0][0]

        await engine.until(refused, "a definition nobody can run")
        await engine.start("tests.integration.apps")

        async def ran() -> list[Job]:
            page = await engine.store.jobs(JobFilter(roots=True))
            return [job for job in page.jobs if job.is_terminal]

        assert {status(root) for root in await engine.until(ran, "the automatic run")} == {"completed"}
        assert await engine.store.rows("select problem from definition") == [(None,)]


async def test_what_was_made_through_the_api_starts_by_itself_too(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path), workers=0) as engine:
        mine = parse('id = "mine"\nname = "Mine"\nauto_start = true\n[step.one]\ntype = "add"\n')
        await engine.store.write(replace_definition, mine)
        await engine.start("tests.integration.apps")

        async def done() -> list[Job]:
            page = await engine.store.jobs(JobFilter(roots=True))
            return [job for job in page.jobs if job.is_terminal]

        [root] = await engine.until(done, "the automatic run")

        assert (root.name, status(root)) == ("Mine", "completed")


async def test_a_schedule_of_another_version_is_set_aside_and_the_others_go_on(tmp_path: Path) -> None:
    write(tmp_path / "job-definitions", "good", 'id = "good"\nschedule = "0 4 * * *"\n[step.one]\ntype = "add"\n')
    async with running(settings_for(tmp_path, lease=8.0, heartbeat=0.2)) as engine:

        async def loaded() -> bool:
            return bool(await engine.store.rows("select 1 from definition where id = 'good' and next_at > 0"))

        await engine.until(loaded, "the definition")
        odd = parse('id = "a-strange-one"\nschedule = "0 4 * * *"\n[step.one]\ntype = "add"\n')
        await engine.store.write(replace_definition, odd)
        await engine.store.write(
            lambda ledger: (
                ledger.run("update definition set body = '{}' where id = 'a-strange-one'"),
                ledger.run("update definition set next_at = 1"),
            )
        )

        async def ran() -> list[Job]:
            return (await engine.store.jobs(JobFilter(definition="good"))).jobs

        async def told() -> bool:
            return bool(await engine.store.rows("select 1 from definition where problem like '%validate%'"))

        assert await engine.until(ran, "the run of the good one")
        assert await engine.until(told, "the reason of the other")
