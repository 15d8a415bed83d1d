"""Reading definitions: what is accepted, and what is said about the rest."""

from datetime import timedelta

import pytest

from quaero.domain.definitions import (
    ErrorTolerance,
    FailureAction,
    InvalidDefinition,
    OnError,
    Problem,
    StepDefinition,
    parse,
    read,
)

NEWS = """
id = "news-crawler"
name = "News Crawler"
description = "Reads the news."
schedule = "*/30 6-22 * * *"
timeout = "30m"
enabled = false
auto_start = true
tags = ["news", "daily"]

[step.crawl]
type = "crawler"
description = "Fetch pages"
on_error = "continue"
limit = 5
start_urls = ["https://example.org/"]
max_depth = 2

[step.digest]
type = "myapp.digest"
depends = "crawl"

[error_tolerance]
max_child_failures = 10
failure_action = "stop_all"
"""


def problems_of(text: str) -> list[Problem]:
    reading = read(text, "some.toml")
    assert reading.definition is None
    return [problem for problem in reading.problems if not problem.is_hint]


def the_problem(text: str) -> Problem:
    (problem,) = problems_of(text)
    return problem


def with_step(line: str = "", head: str = "", tail: str = "") -> str:
    return f'id = "x"\n{head}\n[step.a]\ntype = "k"\n{line}\n{tail}'


def test_everything_the_interface_names_is_read() -> None:
    definition = parse(NEWS)

    assert definition.id == "news-crawler"
    assert definition.name == "News Crawler"
    assert definition.schedule == "*/30 6-22 * * *"
    assert definition.timeout == 30 * 60 * 1_000_000
    assert (definition.enabled, definition.auto_start) == (False, True)
    assert definition.tags == ("news", "daily")
    assert definition.error_tolerance == ErrorTolerance(max_child_failures=10, failure_action=FailureAction.STOP_ALL)
    assert definition.kinds == {"crawler", "myapp.digest"}
    assert definition.steps == (
        StepDefinition(
            name="crawl",
            kind="crawler",
            description="Fetch pages",
            on_error=OnError.CONTINUE,
            limit=5,
            payload={"start_urls": ["https://example.org/"], "max_depth": 2},
        ),
        StepDefinition(name="digest", kind="myapp.digest", depends=("crawl",)),
    )


def test_what_is_left_out_has_the_default_of_the_interface() -> None:
    definition = parse(with_step())

    assert (definition.name, definition.schedule, definition.timeout) == ("x", "", 0)
    assert (definition.enabled, definition.auto_start, definition.tags) == (True, False, ())
    assert definition.error_tolerance is None
    assert definition.steps[0].on_error is OnError.FAIL
    assert definition.steps[0].limit == 0


def test_a_mapping_of_the_same_shape_gives_the_same_definition() -> None:
    mapping = {"id": "x", "timeout": timedelta(minutes=1), "step": {"a": {"type": "k", "depends": [], "n": (1, 2)}}}

    assert parse(mapping) == parse('id = "x"\ntimeout = "60s"\n[step.a]\ntype = "k"\nn = [1, 2]')


def test_concurrency_is_another_word_for_limit() -> None:
    assert parse(with_step("concurrency = 7")).steps[0].limit == 7


@pytest.mark.parametrize("depends", ['"a, b"', '["a", "b"]', '"a,b,"', '["a", "b", "a"]'])
def test_depends_is_a_comma_list_or_an_array(depends: str) -> None:
    definition = parse(f'id = "x"\n[step.a]\ntype="k"\n[step.b]\ntype="k"\n[step.c]\ntype="k"\ndepends = {depends}')

    assert definition.steps[2].depends == ("a", "b")


def test_dates_in_a_payload_become_text() -> None:
    assert parse(with_step("since = 2026-01-02")).steps[0].payload == {"since": "2026-01-02"}


@pytest.mark.parametrize(
    ("text", "key", "word"),
    [
        ('[step.a]\ntype = "k"', "id", "news-crawler"),
        ('id = "a b"\n[step.a]\ntype = "k"', "id", "letters"),
        ('id = "x"', "step", "[step.NAME]"),
        ('id = "x"\nstep = 3', "step", "[step.NAME]"),
        ('id = "x"\n[step]\na = 3', "step.a", "[step.a]"),
        ('id = "x"\n[step.a]\nn = 1', "step.a.type", "crawler"),
        (with_step(head="nmae = 'n'"), "nmae", "'name'"),
        (with_step(head="name = 3"), "name", "text"),
        (with_step(head="enabled = 'yes'"), "enabled", "unquoted"),
        (with_step(head="tags = [1]"), "tags", "list of names"),
        (with_step(head="timeout = '30x'"), "timeout", "30s"),
        (with_step(head="timeout = 30"), "timeout", "unit"),
        (with_step(head="schedule = '61 * * * *'"), "schedule", "minute"),
        (with_step(head="schedule = '* * * * * *'"), "schedule", "five fields"),
        (with_step("on_error = 'stop'"), "step.a.on_error", "continue, fail, retry"),
        (with_step("on_error = 3"), "step.a.on_error", "continue, fail, retry"),
        (with_step("limit = -1"), "step.a.limit", "whole number"),
        (with_step("limit = true"), "step.a.limit", "whole number"),
        (with_step("limit = 1\nconcurrency = 2"), "step.a.concurrency", "limit"),
        (with_step("depends = 3"), "step.a.depends", "list of names"),
        (with_step("depends = 'b'"), "step.a.depends", "'b'"),
        (with_step("ratio = nan"), "step.a.ratio", "finite"),
        (with_step("big = 99999999999999999999"), "step.a.big", "64 bits"),
        (with_step(f"blob = '{'x' * 300_000}'"), "step.a", "256 KiB"),
        (with_step(tail="[step.'b,c']\ntype = 'k'"), "step.b,c", "letters"),
        (with_step(tail="[step.A]\ntype = 'k'"), "step.A", "case"),
        (with_step(tail="[error_tolerance]\nmax_child_failures = -1"), "error_tolerance.max_child_failures", "number"),
        (with_step(tail="[error_tolerance]\nfailure_action = 'stop'"), "error_tolerance.failure_action", "'stop_all'"),
        (with_step(tail="[error_tolerance]\nmax_failures = 1"), "error_tolerance.max_failures", "max_child_failures"),
        (with_step(head="error_tolerance = 3"), "error_tolerance", "[error_tolerance]"),
    ],
)
def test_a_wrong_key_is_told_with_its_path_and_the_remedy(text: str, key: str, word: str) -> None:
    problem = the_problem(text)

    assert problem.key == key
    assert problem.file == "some.toml"
    assert word in f"{problem.reason} {problem.remedy}"


def test_all_problems_are_told_at_once() -> None:
    text = with_step("on_error = 'stop'\nlimit = -3", head="timeout = 'soon'", tail="[step.b]\ndepends = 'nope'")

    keys = [problem.key for problem in problems_of(text)]

    assert sorted(keys) == ["step.a.limit", "step.a.on_error", "step.b.depends", "step.b.type", "timeout"]


def test_a_problem_knows_its_line() -> None:
    problem = the_problem('id = "x"\n\n[step.a]\ntype = "k"\n# why\non_error = "stop"  # here\n')

    assert problem.line == 6
    assert str(problem).startswith("some.toml:6: step.a.on_error: 'stop' is unknown; ")


def test_a_missing_key_is_told_at_its_table() -> None:
    assert the_problem('id = "x"\n\n[step.a]\nn = 1\n').line == 3


def test_a_dependency_on_a_stranger_names_the_nearest_step() -> None:
    problem = the_problem('id = "x"\n[step.crawl]\ntype="k"\n[step.b]\ntype="k"\ndepends="crawll"')

    assert "did you mean 'crawl'?" in problem.remedy


def test_a_circle_is_told_by_the_names_in_it() -> None:
    text = 'id="x"\n[step.a]\ntype="k"\ndepends="b"\n[step.b]\ntype="k"\ndepends="c"\n[step.c]\ntype="k"\ndepends="a"'

    problem = the_problem(text)

    assert any(told in problem.reason for told in ("a → b → c → a", "b → c → a → b", "c → a → b → c"))


def test_a_step_that_waits_for_itself_is_a_circle() -> None:
    assert "a → a" in the_problem(with_step("depends = 'a'")).reason


@pytest.mark.parametrize(("key", "meant"), [("depend", "depends"), ("on_eror", "on_error"), ("limits", "limit")])
def test_a_payload_key_that_looks_misspelt_is_a_hint_and_stays_payload(key: str, meant: str) -> None:
    definition, problems = read(with_step(f"{key} = 'x'"))

    (hint,) = problems
    assert definition is not None
    assert definition.steps[0].payload == {key: "x"}
    assert hint.is_hint
    assert meant in hint.remedy


@pytest.mark.parametrize("key", ["start_urls", "max_depth", "delay", "kind", "timeout", "worker_count"])
def test_an_ordinary_payload_key_gives_no_hint(key: str) -> None:
    assert read(with_step(f"{key} = 1")).problems == ()


def test_text_that_is_not_toml_is_one_problem() -> None:
    assert "not valid TOML" in the_problem("id = ").reason


def test_a_value_that_is_no_table_at_all_is_one_problem() -> None:
    (problem,) = read([1, 2]).problems  # type: ignore[arg-type]

    assert "list" in problem.reason


def test_parse_raises_with_every_problem_in_one_line() -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse(with_step("limit = -1", head="timeout = 'x'"), "some.toml")

    assert len(refused.value.problems) == 2
    assert "\n" not in str(refused.value)
    assert refused.value.http_status == 422
