"""The program as a whole: help, version, exit codes, and one line for whatever is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import quaero as package
from quaero.cli.main import COMMANDS, cli, run

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Quaero

PROGRAM = [sys.executable, "-c", "from quaero.cli.main import main; main()"]


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        found += leaves(command, (*path, name)) if isinstance(command, click.Group) else [(*path, name)]
    return found


ALL = leaves(cli)


def test_every_command_of_the_interface_is_there() -> None:
    words = "up work run submit list show logs cancel retry rerun delete doctor backup restore init"

    assert {path[0] for path in ALL} >= set(words.split())
    assert {path[1] for path in ALL if path[0] == "definitions"} == {"list", "show", "validate", "export"}
    assert set(COMMANDS) == {path[0] for path in ALL}


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_explains_itself_with_examples(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code = run([*path, "--help"])

    shown = capsys.readouterr().out
    assert code == 0
    assert "Examples:" in shown
    assert f"quaero {' '.join(path)}" in shown


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in ALL
        if path[0] not in {"up", "serve", "work", "run", "watch", "backup", "restore", "init", "store"}
    ],
)
def test_every_command_with_a_result_can_give_it_as_json(path: tuple[str, ...]) -> None:
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found

    takes_json = any("--json" in parameter.opts for parameter in command.params)
    assert takes_json or path == ("definitions", "export")


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["frobnicate"], "frobnicate"),
        (["list", "--colour"], "--colour"),
        (["show", "seven"], "job id"),
        (["list", "--limit", "0"], "0"),
        (["list"], "no store"),
        (["lits"], "Did you mean 'list'?"),
        (["list", "--store", "mysql://x"], "sqlite:///"),
        (["list", "--store", "sqlite:///"], "sqlite:///path/to/file.db"),
        (["list", "--server", "http://127.0.0.1:99999"], "http://HOST:PORT"),
        (["submit", "fetch", "--bulk"], "stdin"),
        (["retry", "1", "--fingerprint", "abc"], "--failed"),
        (["list", "-c", "missing.toml"], "missing.toml"),
        (["submit"], "KIND"),
        (["submit", "fetch", "--payload", "{"], "JSON"),
        (["submit", "fetch", "--run-at", "soon"], "run_at"),
        (["submit", "nobody"], "nobody"),
        (["run", "missing.toml"], "missing.toml"),
        (["definitions", "show", "nothing"], "nothing"),
        (["up", "--host", "0.0.0.0"], "credential"),
        (["up", "--port", "70000"], "65535"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(quaero: Quaero, args: list[str], hint: str) -> None:
    said = quaero(*args)

    assert said.code == (78 if hint == "credential" else 2)
    assert said.out == ""
    assert said.err.startswith("quaero: ")
    assert said.err.count("\n") == 1
    assert hint in said.err


def test_an_id_that_names_nothing_is_bad_input_everywhere(quaero: Quaero) -> None:
    quaero("init")

    for command in ("show", "logs", "cancel", "retry", "rerun", "delete"):
        said = quaero(command, "999")
        assert (said.code, said.err.count("\n")) == (2, 1), command
        assert "no job 999" in said.err


def test_a_store_that_is_not_one_is_trouble_and_exit_4(quaero: Quaero, tmp_path: Path) -> None:
    (tmp_path / "q.db").write_bytes(b"this is no database" * 1000)

    said = quaero("list")

    assert said.code == 4
    assert said.err.count("\n") == 1


def test_the_version_comes_fast_and_without_anything_heavy() -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    before = os.times()
    shown = subprocess.run([*PROGRAM, "--version"], env=env, capture_output=True, text=True, check=True).stdout
    after = os.times()
    bare = "import sys; from quaero.cli.main import run; run(['--version']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", bare], env=env, capture_output=True, text=True, check=True).stdout

    assert shown == f"quaero {package.__version__}\n"
    assert after.children_user - before.children_user < 0.5  # of the processor: whatever else it has to do
    assert not {"apsw", "rich", "starlette", "uvicorn", "msgspec", "asyncio"} & set(loaded.split())


@pytest.mark.parametrize("group", [(), ("definitions",), ("token",), ("store",)], ids=" ".join)
def test_a_group_without_a_command_shows_its_help_as_it_is(
    capsys: pytest.CaptureFixture[str], group: tuple[str, ...]
) -> None:
    code = run(list(group))

    lines = capsys.readouterr().err.splitlines()
    assert code == 2
    assert lines[0] == f"Usage: {' '.join(('quaero', *group))} [OPTIONS] COMMAND [ARGS]..."
    assert "Commands:" in lines


@pytest.mark.parametrize(
    ("where", "code", "told"),
    [
        (">/dev/full", 1, "quaero: the output cannot be written: No space left on device\n"),
        (">&-", 1, "quaero: the output cannot be written: standard output is closed\n"),
        ("2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
    ],
)
def test_output_that_cannot_be_written_is_one_line_and_messages_are_done_without(
    quaero: Quaero, tmp_path: Path, where: str, code: int, told: str
) -> None:
    quaero("init")
    env = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    command = f"'{sys.executable}' -c 'from quaero.cli.main import main; main()' list --store sqlite:///q.db {where}"

    done = subprocess.run(["bash", "-c", command], env=env, cwd=tmp_path, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (code, told)


def test_a_reader_that_has_seen_enough_is_no_error(quaero: Quaero, tmp_path: Path) -> None:
    quaero("init")
    env = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    piped = (
        f"'{sys.executable}' -c 'from quaero.cli.main import main; main()' list --store sqlite:///q.db --json | true"
    )

    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", piped], env=env, cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 0
    assert done.stderr == ""
