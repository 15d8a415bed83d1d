"""Commands on a store that has something in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from quaero.domain.definitions import parse
from quaero.domain.facts import Began, Document, Ended
from quaero.engine.lifecycle.catalogue import create_definition
from quaero.engine.lifecycle.definitions import run_definition

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Hand, Prepare, Quaero

NEWS = """
id = "news"
name = "News"
[step.crawl]
type = "parent"
[step.tell]
type = "fetch"
depends = "crawl"
"""


async def one_of_each(hand: Hand) -> dict[str, int]:
    """A completed, a failed and a pending root; the failed one says so in its log."""
    ids = {name: await hand.submit(name=name) for name in ("good", "bad", "late")}
    good, bad = await hand.take(2)
    await hand.begin(good, "first", "second\nforged \x1b]0;owned\x07line")
    await hand.finish(good)
    await hand.begin(bad, "trouble ahead", level=3)
    await hand.finish(bad, "no such page")
    return ids


async def a_definition(hand: Hand) -> int:
    root = await hand.store.write(run_definition, parse(NEWS))
    (step,) = await hand.take()
    await hand.begin(step, "crawling")
    await hand.spawn(step, 3)
    return root


def test_submitting_prints_the_id_and_listing_shows_it(quaero: Quaero, prepare: Prepare[Any]) -> None:
    prepare(one_of_each)

    submitted = quaero(
        "submit", "fetch", "--payload", '{"url": "x"}', "--name", "Mine", "--tag", "a", "--priority", "5"
    )
    shown = json.loads(quaero("show", submitted.out.strip(), "--json").out)

    assert submitted.code == 0
    assert (shown["payload"], shown["name"], shown["tags"], shown["priority"]) == ({"url": "x"}, "Mine", ["a"], 5)
    assert "Mine" in quaero("list").out


def test_submitting_the_same_key_again_says_so(quaero: Quaero, prepare: Prepare[Any]) -> None:
    prepare(one_of_each)

    first = quaero("submit", "fetch", "--key", "nightly")
    again = quaero("submit", "fetch", "--key", "nightly")

    assert first.out == again.out
    assert "there already" in again.err


def test_listing_filters_pages_and_gives_what_the_api_gives(quaero: Quaero, prepare: Prepare[Any]) -> None:
    ids = prepare(one_of_each)

    failed = json.loads(quaero("list", "--status", "failed,cancelled", "--json").out)
    first = json.loads(quaero("list", "--limit", "2", "--oldest-first", "--json").out)
    rest = json.loads(quaero("list", "--limit", "2", "--oldest-first", "--cursor", first["next_cursor"], "--json").out)

    assert [job["id"] for job in failed["jobs"]] == [str(ids["bad"])]
    assert [job["name"] for job in first["jobs"] + rest["jobs"]] == ["good", "bad", "late"]
    assert quaero("list", "--status", "done").code == 2


def test_showing_a_failed_job_tells_its_error(quaero: Quaero, prepare: Prepare[Any]) -> None:
    ids = prepare(one_of_each)

    assert "ValueError: no such page" in quaero("show", str(ids["bad"])).out


def test_showing_a_root_tells_why_jobs_of_its_tree_failed(quaero: Quaero, prepare: Prepare[Any]) -> None:
    async def half_failed(hand: Hand) -> int:
        root = await hand.submit("parent")
        (parent,) = await hand.take()
        await hand.begin(parent)
        await hand.spawn(parent, 2)
        for child in await hand.take(2):
            await hand.begin(child)
            await hand.finish(child, f"no page {child.id}")
        return root

    shown = quaero("show", str(prepare(half_failed))).out.splitlines()

    assert shown[-2].split() == ["FAILED", "FINGERPRINT", "EXAMPLE", "MESSAGE"]
    count, fingerprint, example, *message = shown[-1].split()
    assert (count, message) == ("2", ["no", "page", example])
    assert len(fingerprint) == 16


def test_the_counts_of_a_cancelled_tree_add_up(quaero: Quaero, prepare: Prepare[Any]) -> None:
    async def a_tree(hand: Hand) -> int:
        root = await hand.submit("parent")
        (parent,) = await hand.take()
        await hand.begin(parent)
        await hand.spawn(parent, 2)
        await hand.finish(parent)
        return root

    root = str(prepare(a_tree))
    quaero("cancel", root)

    assert "0 failed, 2 cancelled" in quaero("show", root).out
    assert "0 failed, 2 cancelled" in quaero("list").out


def test_a_payload_that_is_no_object_is_refused_before_it_is_a_job(quaero: Quaero, prepare: Prepare[Any]) -> None:
    prepare(one_of_each)

    refused = quaero("submit", "fetch", "--payload", "[1]")

    assert (refused.code, refused.out) == (2, "")
    assert "--payload is [1]: give an object" in refused.err


def test_showing_a_definitions_root_shows_its_steps_and_what_is_below_them(
    quaero: Quaero, prepare: Prepare[Any]
) -> None:
    root = prepare(a_definition)

    shown = quaero("show", str(root)).out

    assert "3 pending, 0 running, 0 completed, 0 failed" in shown
    assert [line.split()[0] for line in shown.splitlines()[-2:]] == ["crawl", "tell"]


def test_a_log_is_printed_oldest_first_and_nothing_in_it_can_forge_a_line(
    quaero: Quaero, prepare: Prepare[Any]
) -> None:
    ids = prepare(one_of_each)

    shown = quaero("logs", str(ids["good"]))

    lines = shown.out.splitlines()
    begun = [line for line in lines if line[:1].isdigit()]
    assert [line.split("] ", 1)[1] for line in begun if "Status" not in line] == ["first", "second"]
    assert "    forged line" in lines
    assert "\x1b" not in shown.out


def test_raw_logs_are_as_the_job_wrote_them(quaero: Quaero, prepare: Prepare[Any]) -> None:
    ids = prepare(one_of_each)

    assert "\nforged \x1b]0;owned\x07line" in quaero("logs", str(ids["good"]), "--raw").out


def test_logs_are_filtered_by_level_and_resumed_by_cursor(quaero: Quaero, prepare: Prepare[Any]) -> None:
    ids = prepare(one_of_each)
    store = prepare(lambda hand: _incarnation(hand))
    everything = [json.loads(line) for line in quaero("logs", str(ids["bad"]), "--json").out.splitlines()]

    loud = quaero("logs", str(ids["bad"]), "--level", "err", "--json").out.splitlines()
    rest = quaero("logs", str(ids["bad"]), "--after", f"{store}.{ids['bad']}.2", "--json").out.splitlines()
    strange = quaero("logs", str(ids["bad"]), "--after", "elsewhere.1.2", "--json")

    assert [entry["seq"] for entry in everything] == list(range(1, len(everything) + 1))
    assert "trouble ahead" in [json.loads(line)["message"] for line in loud]
    assert {json.loads(line)["level"] for line in loud} == {"error"}
    assert [json.loads(line)["seq"] for line in rest] == [entry["seq"] for entry in everything[2:]]
    assert len(strange.out.splitlines()) == len(everything)
    assert "from the beginning" in strange.err


async def _incarnation(hand: Hand) -> str:
    return hand.store.incarnation


def test_following_a_job_that_has_ended_prints_its_log_and_leaves(quaero: Quaero, prepare: Prepare[Any]) -> None:
    ids = prepare(one_of_each)

    followed, read = quaero("logs", str(ids["bad"]), "-f"), quaero("logs", str(ids["bad"]))

    assert followed.code == 0
    assert followed.out == read.out


def test_the_log_of_one_step_is_its_own(quaero: Quaero, prepare: Prepare[Any]) -> None:
    root = prepare(a_definition)

    shown = quaero("logs", str(root), "--step", "crawl")
    strange = quaero("logs", str(root), "--step", "crawls")

    assert "crawling" in shown.out
    assert all("[crawl/" in line for line in shown.out.splitlines())
    assert strange.code == 2
    assert "crawl, tell" in strange.err


def test_a_tree_is_cancelled_retried_rerun_and_deleted(quaero: Quaero, prepare: Prepare[Any]) -> None:
    ids = prepare(one_of_each)
    late, bad = str(ids["late"]), str(ids["bad"])

    cancelled = json.loads(quaero("cancel", late, "--json").out)
    again = quaero("cancel", late)
    retried = json.loads(quaero("retry", bad, "--json").out)
    rerun = json.loads(quaero("rerun", bad, "--json").out)
    early = quaero("delete", bad)
    deleted = quaero("delete", late)

    assert (cancelled["affected"], cancelled["job"]["status"]) == (1, "cancelled")
    assert "jobs affected: 0" in again.out
    assert (retried["job"]["status"], retried["job"]["round"]) == ("pending", 2)
    assert rerun["job"]["id"] not in (bad, late)
    assert (early.code, deleted.code, quaero("show", late).code) == (2, 0, 2)
    assert deleted.out == f"job {late} is deleted; jobs affected: 1\n"


async def documents(hand: Hand) -> int:
    """A root that kept more documents than an export reads at once, and than may wait to be printed."""
    root = await hand.submit()
    [job] = await hand.take()
    kept = [Document(f"https://example.org/{n}", f"Page {n}", f"# Häfen\n\nOf harbour {n}.") for n in range(3_400)]
    await hand.tell(
        Began(job.id, job.epoch, job.created_at),
        Ended(job.id, job.epoch, job.created_at, job.created_at, documents=kept),
    )
    return root


def test_documents_are_listed_searched_and_exported_whole(quaero: Quaero, prepare: Prepare[Any]) -> None:
    root = str(prepare(documents))

    listed = quaero("documents", "--limit", "2").out.splitlines()
    found = quaero("documents", "harbour", "7").out.splitlines()
    lines = quaero("documents", "--job", root, "--export", "jsonl").out.splitlines()
    text = quaero("documents", "--export", "markdown")

    assert [line.split()[-1] for line in listed] == ["URL", "https://example.org/0", "https://example.org/1"]
    assert found[0].endswith("FOUND")
    assert "Of harbour 7." in found[1]
    assert [json.loads(line)["text"] for line in lines] == [f"# Häfen\n\nOf harbour {n}." for n in range(3_400)]
    assert text.code == 0
    assert text.out.startswith("<!-- https://example.org/0 -->\n\n# Häfen\n\nOf harbour 0.\n")
    assert text.out.count("<!-- ") == 3_400
    assert quaero("documents", "--job", "999", "--export", "jsonl") == (0, "", "")


def test_definitions_are_listed_shown_validated_and_exported(quaero: Quaero, tmp_path: Path) -> None:
    folder = tmp_path / "job-definitions"
    folder.mkdir()
    (folder / "news.toml").write_text(NEWS)
    (folder / "wrong.toml").write_text('id = "wrong"\nname = "W"\n[step.a]\ntype = "x"\ndepends = "b"\n')

    listed = quaero("definitions", "list")
    exported = quaero("definitions", "export", "news")
    shown = json.loads(quaero("definitions", "show", "news", "--json").out)
    wrong = quaero("definitions", "validate", str(folder / "wrong.toml"), "--store", "unused")

    assert "news" in listed.out
    assert "wrong.toml" in listed.err
    assert parse(exported.out) == parse(NEWS)
    assert list(shown["step"]) == ["crawl", "tell"]
    assert wrong.code == 2


def test_definitions_kept_in_the_store_are_listed_and_a_file_of_the_same_id_wins(
    quaero: Quaero, prepare: Prepare[Any], tmp_path: Path
) -> None:
    async def keep(hand: Hand) -> None:
        for name in ("kept", "news"):
            await hand.store.write(create_definition, parse(NEWS.replace('"news"', f'"{name}"')))

    prepare(keep)
    (tmp_path / "job-definitions").mkdir()
    (tmp_path / "job-definitions/news.toml").write_text(NEWS.replace('"News"', '"From a file"'))

    listed = quaero("definitions", "list")
    exported = quaero("definitions", "export", "kept")

    assert [line.split("  ")[0] for line in listed.out.splitlines()[1:]] == ["kept", "news"]
    assert "From a file" in listed.out
    assert parse(exported.out).name == "News"


def test_validating_says_every_problem_and_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from quaero.cli.main import run

    good, wrong = tmp_path / "good.toml", tmp_path / "wrong.toml"
    good.write_text(NEWS)
    wrong.write_text('id = "wrong"\nname = "W"\n[step.a]\ntype = "x"\ndepends = "b"\n')

    assert run(["definitions", "validate", str(good)]) == 0
    assert run(["definitions", "validate", str(tmp_path / "none.toml"), str(good), str(wrong)]) == 2
    said = capsys.readouterr()
    assert "wrong.toml" in said.out
    assert "2 files: 1 problem" in said.err
    assert "none.toml: No such file" in said.err
    assert run(["definitions", "validate", str(tmp_path / "none.toml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_settings_come_from_flags_files_and_the_environment(
    quaero: Quaero, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text('[store]\nurl = "sqlite:///mine.db"\n')
    monkeypatch.setenv("QUAERO_CONFIG", str(tmp_path / "mine.toml"))
    from quaero.cli.main import run

    assert run(["init"]) == 0
    assert run(["init", "--store", "sqlite:///flag.db"]) == 0

    assert (tmp_path / "mine.db").exists()
    assert (tmp_path / "flag.db").exists()
