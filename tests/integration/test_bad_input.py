"""Whatever is wrong with what is asked: one clear line that says what would be right, the right exit code, no harm."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.program import Program

from quaero.keeping import check
from quaero.settings import Settings
from quaero.settings.sections import StoreSection

GOOD = 'id = "shop"\nname = "Shop"\n[step.one]\ntype = "generator"\n'
TOO_BIG = [{"kind": "generator", "payload": {"x": "y"}}, {"kind": "generator", "payload": {"x": "y" * 300_000}}]

Prepare = Callable[[Program], None]


def a_file(name: str, text: str | bytes) -> Prepare:
    """A file in the working directory."""

    def write(program: Program) -> None:
        (program.place / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


CASES: dict[str, tuple[Prepare, list[str], str, str]] = {  # how it comes, command, standard input, what it says
    "no TOML": (a_file("bad.toml", 'id = "x"\nname=\n'), ["run", "bad.toml"], "", "bad.toml: this is not valid TOML"),
    "no text": (a_file("bad.toml", b"\xff\xfe"), ["run", "bad.toml"], "", "cannot read bad.toml: it is not UTF-8"),
    "no file": (a_file("other", ""), ["run", "bad.toml"], "", "cannot read bad.toml: No such file or directory"),
    "a step that is not there": (
        a_file("bad.toml", GOOD + 'depends = "two"\n'), ["run", "bad.toml"], "",
        "bad.toml:5: step.one.depends: there is no step 'two'",
    ),
    "a key that is not there": (
        a_file("bad.toml", GOOD.replace("name", "nam")), ["run", "bad.toml"], "", "name",
    ),
    "a kind nobody knows": (
        a_file("bad.toml", GOOD.replace("generator", "generatr")), ["run", "bad.toml"], "", "'generatr'",
    ),
    "a job of a kind nobody knows": (
        a_file("other", ""), ["submit", "nobody.knows"], "",
        "no worker has ever announced the kind 'nobody.knows': start one whose --app registers it",
    ),
    "a payload that is no JSON": (
        a_file("other", ""), ["submit", "generator", "--payload", '{"x'], "", "--payload is not JSON",
    ),
    "a payload too big": (
        a_file("other", ""), ["submit", "--bulk"], json.dumps(TOO_BIG),
        "job 2 of 2: payload of 300,009 bytes: the limit is 262,144",
    ),
    "an application that does not import": (
        a_file("broken.py", "import nothing_of_this_name\n"), ["run", "generator", "--app", "broken"], "",
        "cannot import 'broken': ModuleNotFoundError: No module named 'nothing_of_this_name'",
    ),
    "a handler that cannot be filled": (
        a_file("broken.py", "import quaero\napp = quaero.App()\n@app.job\ndef f(job, *rest): pass\n"),
        ["run", "broken.f", "--app", "broken"], "", "rest",
    ),
    "a setting that is not there": (
        a_file("quaero.toml", "[queue]\nexecutrs = 1\n"), ["list"], "", "queue.executors",
    ),
    "a setting that is wrong": (
        a_file("quaero.toml", '[queue]\nlease = "20"\n'), ["list"], "", 'write a number and a unit, like "150ms"',
    ),
    "a job that is not there": (a_file("other", ""), ["cancel", "99999"], "", "there is no job 99999"),
}  # fmt: skip


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A store with a job that was done."""
    program = Program(tmp_path_factory.mktemp("worked"))
    program.run("run", "generator", "--payload", '{"log_count": 1}')
    yield program
    program.close()


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_in_one_line_and_nothing_is_lost(worked: Program, tmp_path: Path, case: str) -> None:
    prepare, command, stdin, words = CASES[case]
    program = Program(tmp_path)
    shutil.copytree(worked.place, program.place, dirs_exist_ok=True)
    kept = jobs(program)
    prepare(program)

    done = program.run(*command, code=2, stdin=stdin)

    *before, line = done.stderr.splitlines()
    assert line.startswith("quaero: ")
    assert words in line
    assert all("working here" in other for other in before)
    assert "Traceback" not in done.stderr
    assert len(kept) == 1
    assert jobs(program) == kept
    assert not check(Settings(store=StoreSection(url=f"sqlite:///{program.store}")))
    assert not program.processes()


def jobs(program: Program) -> list[tuple[Any, ...]]:
    """Every job of the store, whole."""
    with program.looking() as db:
        return [tuple(row) for row in db.rows("select * from job where id > 0")]
