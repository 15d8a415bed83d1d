"""The rules of the house that no other tool checks."""

import ast
import importlib
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import quaero

HERE = Path(__file__).resolve()
TOP = HERE.parents[2]
SOURCES = sorted((TOP / "src").rglob("*.py"))
TESTS = sorted(path for path in (TOP / "tests").rglob("*.py") if "chaos" not in path.relative_to(TOP).parts)
LONGEST_FILE = 300


def named(path: Path) -> str:
    return str(path.relative_to(TOP))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def imported(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def offenders(rule: Callable[[Path], Any], paths: list[Path]) -> dict[str, Any]:
    """The files a rule finds something in, each with what it found."""
    return {named(path): found for path in paths if (found := rule(path))}


def sleeps(call: ast.AST) -> bool:
    """Whether a call waits for a guessed time: `asyncio.sleep(0)` only lets others run and is fine."""
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "sleep"):
        return False
    if not (isinstance(call.func.value, ast.Name) and call.func.value.id in {"time", "asyncio", "anyio", "trio"}):
        return False
    return not (call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0)


def kept_text_files() -> list[Path]:
    """Every text file a commit would carry, by Git's own word."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=TOP,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = [TOP / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:4096]]


def test_there_is_something_to_check() -> None:
    assert len(SOURCES) > 10
    assert HERE in TESTS


def test_no_source_file_is_longer_than_a_reader_likes() -> None:
    def too_long(path: Path) -> int:
        lines = len(path.read_text().splitlines())
        return lines if lines > LONGEST_FILE else 0

    assert not offenders(too_long, SOURCES)


def test_every_module_opens_by_saying_what_it_is_for() -> None:
    def says_nothing(path: Path) -> bool:
        return bool(path.read_text()) and not ast.get_docstring(ast.parse(path.read_text()))

    assert not offenders(says_nothing, SOURCES)


def test_no_test_waits_for_a_guessed_time() -> None:
    def guessed(path: Path) -> list[int]:
        return [node.lineno for node in nodes(path) if isinstance(node, ast.Call) and sleeps(node)]

    assert not offenders(guessed, TESTS), "await a fact instead of sleeping, in these lines"


def test_the_search_for_sleeps_finds_one() -> None:
    assert [sleeps(node) for node in ast.walk(ast.parse("time.sleep(0.1)"))].count(True) == 1


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    def marks(path: Path) -> set[str]:
        named_marks = {node.attr for node in nodes(path) if isinstance(node, ast.Attribute)}
        return named_marks & {"skip", "skipif", "xfail", "importorskip"}

    assert not offenders(marks, TESTS)


def test_nothing_is_pickled() -> None:
    picklers = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"}

    assert not offenders(lambda path: picklers & set(imported(path)), SOURCES + TESTS)


def test_nothing_is_left_for_later() -> None:
    left = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|NotImplementedError")

    assert not offenders(lambda path: left.findall(path.read_text()), SOURCES)


def test_exported_names_are_sorted_and_exist() -> None:
    names = [name for name in quaero.__all__ if not name.startswith("__")]

    assert names == sorted(names)
    assert all(hasattr(quaero, name) for name in quaero.__all__)


def test_every_module_can_be_imported() -> None:
    for path in SOURCES:
        parts = path.relative_to(TOP / "src").with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        if not module.endswith("__main__"):
            assert importlib.import_module(module)


def test_the_version_is_said_once_and_the_same_everywhere() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]

    assert quaero.__version__ == project["version"]


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_the_lock_has_every_dependency_with_hashes_and_no_address(name: str) -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    lock = (TOP / "requirements" / name).read_text()
    wanted = project["project"]["dependencies"] + project["build-system"]["requires"]
    wanted += project["dependency-groups"]["dev"] if name == "dev.txt" else []
    names = {re.split(r"[\[<>=]", line)[0].replace("_", "-").lower() for line in wanted}

    locked = set(re.findall(r"^([a-z0-9.-]+)==", lock, re.MULTILINE))

    assert names <= locked, "run `make lock`"
    assert lock.count("==") <= lock.count("--hash=sha256:")
    assert "://" not in lock


def test_no_kept_file_names_this_machine_or_where_packages_came_from() -> None:
    machine = re.compile(
        r"/(?:work|root|home/\w+|opt|Users/\w+)/|files\.pythonhosted|pypi\.org/simple|registry\.npmjs"
        r"|--(?:extra-)?index-url\s+\S*://|deb\.debian\.org"
    )

    named_in = [
        f"{named(path)}: {hit.group()}"
        for path in kept_text_files()
        if path != HERE and (hit := machine.search(path.read_text(errors="replace")))
    ]

    assert not named_in


def test_rows_are_inserted_by_the_names_of_their_columns() -> None:
    # an earlier version runs on beside a later one, whose tables may have more columns
    nameless = re.compile(r"insert into \w+ ?values|select \* from (?!unnest)(?:[a-z_]+\b)")

    assert not offenders(lambda path: nameless.findall(path.read_text()), SOURCES)
