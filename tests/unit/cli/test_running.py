"""`quaero run` with real executors: it does the work itself, shows it, and leaves with the outcome."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import quaero

APP = """
import asyncio, quaero
app = quaero.App()

@app.job(kind="leaf", max_attempts=1)
async def leaf(job, n: int, bad: bool = False):
    job.log.info("leaf %d", n)
    if bad:
        raise ValueError(f"no such page {n}")

@app.job(kind="tree")
async def tree(job, good: int = 0, bad: int = 0):
    for n in range(good):
        job.spawn("leaf", n=n)
    for n in range(bad):
        job.spawn("leaf", n=n, bad=True)
    return {"spawned": good + bad}

@app.job(kind="forever")
async def forever(job):
    await asyncio.Event().wait()
"""
DEFINITION = """
id = "two"
name = "Two steps"
[step.first]
type = "tree"
good = 3
[step.second]
type = "leaf"
depends = "first"
n = 9
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "myapp.py").write_text(APP)
    (tmp_path / "two.toml").write_text(DEFINITION)
    return tmp_path


def command(home: Path, *args: str) -> tuple[list[str], dict[str, str]]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("QUAERO_")}
    env["PYTHONPATH"] = os.pathsep.join([str(Path(quaero.__file__).parents[1]), str(home)])
    return [sys.executable, "-c", "from quaero.cli.main import main; main()", *args], env


def call(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    argv, env = command(home, *args)
    return subprocess.run(argv, cwd=home, env=env, capture_output=True, text=True, timeout=60)


def test_a_tree_that_completes_leaves_with_0_and_its_result(home: Path) -> None:
    done = call(home, "run", "tree", "--app", "myapp", "--payload", '{"good": 5}')

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"spawned": 5}
    assert "0 pending, 0 running, 5 completed, 0 failed" in done.stderr


def test_a_tree_that_fails_leaves_with_1_and_says_what_failed(home: Path) -> None:
    done = call(home, "run", "tree", "--app", "myapp", "--payload", '{"good": 2, "bad": 3}')

    assert done.returncode == 1, done.stderr
    assert "3 × no such page" in done.stderr


def test_a_definition_is_run_step_by_step_and_shown_as_json(home: Path) -> None:
    done = call(home, "run", "two.toml", "--app", "myapp", "--json")

    shown = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert [(step["name"], step["status"]) for step in shown["steps"]] == [
        ("first", "completed"),
        ("second", "completed"),
    ]
    assert "step second: completed" in done.stderr
    assert call(home, "doctor").returncode == 0


def test_ctrl_c_cancels_the_tree_and_leaves_with_3(home: Path) -> None:
    argv, env = command(home, "run", "forever", "--app", "myapp")
    with subprocess.Popen(argv, cwd=home, env=env, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if ": running" in line:
                running.send_signal(signal.SIGINT)
                break
        rest = running.stderr.read()
        code = running.wait(timeout=60)

    assert code == 3, rest
    assert "cancelled" in rest
    assert call(home, "list", "--status", "cancelled").stdout.count("forever") == 1


def test_an_application_that_cannot_be_imported_is_one_line(home: Path) -> None:
    done = call(home, "run", "tree", "--app", "nothing_like_that")

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "nothing_like_that" in done.stderr


def test_a_kind_nobody_knows_is_one_line(home: Path) -> None:
    done = call(home, "run", "nobody", "--app", "myapp")

    assert done.returncode == 2
    assert "nobody" in done.stderr.splitlines()[-1]


def test_a_kind_that_only_workers_knew_which_have_gone_is_not_waited_for(home: Path) -> None:
    call(home, "run", "tree", "--app", "myapp")

    done = call(home, "run", "tree")

    assert done.returncode == 2
    assert done.stderr == "quaero: no running worker knows tree: name the application that does with --app\n"
    assert call(home, "list").stdout.count("tree") == 1
