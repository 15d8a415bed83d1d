"""The command line and the API against one running program, as a person at a terminal would use them."""

import json
import os
import pty
import re
import signal
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.integration.program import CONFIG, Program, Running, http, wait_for

TREE = """
id = "tree"
name = "A tree"
[step.one]
type = "parent"
n = 20
kind = "{kind}"
[step.two]
type = "add"
depends = "one"
"""


class Demo(NamedTuple):
    """`quaero up --demo`, under way."""

    program: Program
    up: Running
    address: str


@pytest.fixture(scope="module", autouse=True)
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Started before the other tests of this module: a polite crawl takes its time, and need not be watched."""
    program = Program(tmp_path_factory.mktemp("demo"))
    yield Demo(program, *program.up("--demo"))
    program.close()


def tree(program: Program, kind: str = "add") -> str:
    """A definition in a file."""
    path = program.place / "tree.toml"
    path.write_text(TREE.format(kind=kind))
    return str(path)


def test_a_day_with_the_command_line(program: Program) -> None:
    up, address = program.up()

    # ask for work over the API and from the command line, and look at it from both
    status, made = http("POST", f"{address}/api/jobs", {"kind": "parent", "payload": {"n": 3}, "name": "first"})
    assert status == 201
    done = program.ended(made["id"])
    assert done["progress_text"] == "0 pending, 0 running, 3 completed, 0 failed"
    job_id = program.run("submit", "fails_once_by_hand", "--name", "second").stdout.strip()
    program.ended(job_id, "failed")
    listed = program.json("list", "--status", "failed")
    assert [job["name"] for job in listed["jobs"]] == ["second"]
    assert "ValueError: not in the first round" in program.run("show", job_id).stdout
    assert "Traceback" in program.run("logs", job_id, "--level", "error").stdout

    # a second round of it, a second run of the first, and away with that
    assert program.json("retry", job_id)["affected"] == 1
    again = wait_for(lambda: _of_round(program, job_id, 2), "the second round")
    assert again is not None
    assert again["result"] == "round 2"
    rerun = program.json("rerun", made["id"])["job"]["id"]
    assert program.ended(rerun)["tally"]["completed"] == 3
    program.run("delete", rerun)
    assert http("GET", f"{address}/api/jobs/{rerun}")[0] == 404

    # follow a log live, cancel what it follows
    follower_of = program.run("submit", "rests").stdout.strip()
    following = program.start("logs", follower_of, "-f")
    following.until("resting", on="out")
    assert program.json("cancel", follower_of)["affected"] == 1
    assert following.wait() == 0
    assert "Status changed: cancelled" in following.out
    program.ended(follower_of, "cancelled")

    program.run("doctor")
    up.send(signal.SIGTERM)
    assert up.wait() == 0


def _of_round(program: Program, job_id: str, round_: int) -> dict[str, object] | None:
    job: dict[str, object] = program.json("show", job_id)
    return job if job["round"] == round_ and job["finished_at"] else None


def test_a_backup_taken_while_work_goes_on_is_whole_and_can_be_put_back(program: Program) -> None:
    up, address = program.up()
    for _ in range(3):
        http("POST", f"{address}/api/jobs", {"kind": "parent", "payload": {"n": 500}})
    program.run("backup", "monday.db")
    kept = program.ended(program.run("submit", "add").stdout.strip())
    up.send(signal.SIGTERM)
    assert up.wait() == 0

    restored = f"sqlite:///{program.place}/restored.db"
    program.run("restore", "monday.db", "--store", restored)

    program.run("doctor", "--store", restored)
    assert len(program.json("list", "--store", restored)["jobs"]) == 3
    program.run("show", kept["id"], "--store", restored, code=2)
    program.run("show", kept["id"])
    again = program.start("work", "--app", "tests.integration.apps", "--store", restored)
    again.until("working for")
    wait_for(
        lambda: [job["status"] for job in program.json("list", "--store", restored)["jobs"]] == ["completed"] * 3,
        "the restored trees end",
    )
    again.send(signal.SIGTERM)
    assert again.wait() == 0
    program.run("doctor", "--store", restored)


# --- quaero run


@pytest.mark.parametrize(("kind", "code", "word"), [("add", 0, "completed"), ("gives_up", 1, "failed")])
def test_run_without_a_server_works_by_itself_and_leaves_with_the_outcome(
    program: Program, kind: str, code: int, word: str
) -> None:
    done = program.run("run", tree(program, kind), "--app", "tests.integration.apps", code=code)

    lines = done.stderr.splitlines()
    assert "A tree (job 1): " + word in lines
    assert any(line.startswith("step one: ") for line in lines)
    assert any("20 " + word in line for line in lines)
    assert "\x1b" not in done.stderr
    if code:
        assert any("20 × no such page" in line for line in lines)
    assert not program.processes()
    program.run("doctor")


def test_run_of_a_kind_prints_its_result_and_nothing_else_on_stdout(program: Program) -> None:
    done = program.run("run", "add", "--payload", '{"a": 40, "b": 2}', "--app", "tests.integration.apps")

    assert done.stdout == "42\n"


def test_run_beside_a_server_leaves_the_work_to_it(program: Program) -> None:
    up, address = program.up()

    done = program.run("run", tree(program))

    assert "working here" not in done.stderr
    assert "0 pending, 0 running, 20 completed, 0 failed" in done.stderr
    deeds = http("GET", f"{address}/api/audit")[1]["entries"]
    assert [deed["action"] for deed in deeds] == ["POST /api/job-definitions/execute"]
    up.send(signal.SIGTERM)
    assert up.wait() == 0


def test_run_on_a_named_server_makes_no_store_here_and_ctrl_c_cancels_there(program: Program, tmp_path: Path) -> None:
    _, address = program.up()
    away = tmp_path / "away"
    away.mkdir()
    here = Program(away)
    try:
        done = here.run("run", "add", "--payload", '{"a": 40, "b": 2}', "--server", address)
        assert done.stdout == "42\n"
        refused = here.run("run", "ad", "--server", address, code=2)
        assert refused.stderr.startswith("quaero: 'ad' is no file, no definition and no kind")
        assert refused.stderr.endswith("did you mean 'add'?\n")

        running = here.start("run", tree(here, "rests"), "--server", address)
        running.until("20 running")
        running.send(signal.SIGINT)

        assert running.wait() == 3
        assert "cancelled" in running.err
        assert [job["status"] for job in program.json("list", "--status", "cancelled")["jobs"]] == ["cancelled"]
        assert not here.store.exists()
    finally:
        here.close()


def test_run_says_what_a_busy_server_lets_it_wait_for(program: Program) -> None:
    _, address = program.up()
    hog = program.run("submit", "stays_plain").stdout.strip()
    wait_for(lambda: program.json("show", hog)["status"] == "running", "the only executor is taken")

    running = program.start("run", "stays_plain", "--server", address)

    running.until("it waits for its turn: 1 worker, 1 running, 1 pending")
    http("POST", f"{address}/api/jobs/{hog}/cancel", {})
    running.send(signal.SIGINT)
    assert running.wait() == 3


def test_ctrl_c_without_a_terminal_cancels_the_tree_before_leaving(program: Program) -> None:
    running = program.start("run", tree(program, "rests"), "--app", "tests.integration.apps")
    running.until("20 running")

    running.send(signal.SIGINT)

    assert running.wait() == 3
    assert "cancelled" in running.err
    assert program.json("show", "1")["status"] == "cancelled"
    assert not program.processes()
    program.run("doctor")


def test_ctrl_c_twice_leaves_at_once_and_takes_the_work_along(tmp_path: Path) -> None:
    program = Program(tmp_path, CONFIG.replace('grace = "1s"', 'grace = "60s"'))
    try:
        running = program.start("run", tree(program, "ignores_cancel"), "--app", "tests.integration.apps")
        running.until("20 running")

        running.send(signal.SIGINT)
        running.until("ctrl-C again leaves at once")
        running.send(signal.SIGINT)

        assert running.wait(15) == 130
        assert not program.processes()
        program.run("doctor")
    finally:
        program.close()


class Terminal:
    """A command on a terminal of its own: what is on it, and a way to type."""

    def __init__(self, program: Program, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.running: Running = program.start(
            *arguments, stdin=theirs, stdout=theirs, stderr=theirs, env={"TERM": "xterm-256color", "COLUMNS": "100"}
        )
        os.close(theirs)
        self._seen = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._ours, 65536):
                self._seen += data
        except OSError:  # the other end is closed
            return

    @property
    def text(self) -> str:
        """What was written, without control sequences."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._seen.decode(errors="replace"))

    @property
    def raw(self) -> bytes:
        """What was written."""
        return bytes(self._seen)

    def until(self, text: str) -> None:
        """Wait until this was written."""
        wait_for(lambda: text in self.text, f"{text!r} on the terminal: {self.text[-2000:]!r}")

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    def wait(self) -> int:
        """The exit code."""
        code = self.running.wait()
        self._reader.join(10)
        os.close(self._ours)
        return code


def test_on_a_terminal_run_draws_bars_and_gives_the_cursor_back(program: Program) -> None:
    terminal = Terminal(program, "run", tree(program), "--app", "tests.integration.apps")

    assert terminal.wait() == 0
    assert "━" in terminal.text
    assert "0 pending, 0 running, 20 completed, 0 failed" in terminal.text
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")


def test_on_a_terminal_ctrl_c_asks_first_and_no_goes_on(program: Program) -> None:
    terminal = Terminal(program, "run", tree(program, "rests"), "--app", "tests.integration.apps")
    terminal.until("20 running")

    terminal.running.send(signal.SIGINT)
    terminal.until("Cancel A tree (job 1)? [Y/n]")
    terminal.type("n\n")
    assert program.json("show", "1")["status"] == "waiting"
    terminal.running.send(signal.SIGINT)
    wait_for(lambda: terminal.text.count("[Y/n]") == 2, "the question again")
    terminal.type("\n")

    assert terminal.wait() == 3
    assert program.json("show", "1")["status"] == "cancelled"
    assert not program.processes()


# --- the demo


def test_the_demo_crawls_its_site_to_the_end(demo: Demo) -> None:
    program, up, address = demo
    line = up.until("crawling the demo's news site")
    [job_id] = re.findall(r"as job (\d+)", line)

    job = program.ended(job_id)

    tally = job["tally"]
    assert tally["total"] == tally["completed"] + tally["failed"] == 100
    assert (tally["pending"], tally["running"], tally["cancelled"]) == (0, 0, 0)
    [step] = job["steps"]
    assert step["status"] == "completed"
    pages = http("GET", f"{address}/api/jobs?parent_id={step['id']}&limit=1000")[1]
    assert pages["total_count"] == len(pages["jobs"]) == 100
    assert len({page["result"]["url"] for page in pages["jobs"] if page["result"]}) == tally["completed"]
    title = next(page["result"]["title"] for page in pages["jobs"] if page["result"] and page["result"].get("title"))
    word = max(re.findall(r"[A-Za-z]+", title), key=len)
    found = json.loads(urllib.request.urlopen(f"{address}/api/documents?q={word}&limit=20").read())
    assert found["documents"]
    assert any(word.lower() in json.dumps(document).lower() for document in found["documents"])
    definitions = http("GET", f"{address}/api/job-definitions")[1]["definitions"]
    assert [(one["id"], one["problem"]) for one in definitions] == [("harbour-survey", None), ("news-crawler", None)]
    assert [run["id"] for run in definitions[1]["last_runs"]] == [job_id]
    program.run("doctor")
    up.send(signal.SIGTERM)
    assert up.wait() == 0
    assert not program.processes()


# --- through a running server


def test_commands_ask_the_server_that_runs_on_the_store(program: Program) -> None:
    up, address = program.up()
    sign = json.loads((program.place / "quaero.db.server").read_text())

    job = program.run("submit", "add", "--payload", '{"a": 2, "b": 3}').stdout.strip()
    program.ended(job)
    followed = program.run("logs", job, "-f").stdout
    asked = program.run("list", "--server", address, "--json").stdout
    audit = http("GET", f"{address}/api/audit")[1]["entries"]
    up.send(signal.SIGTERM)
    assert up.wait() == 0
    alone = program.json("show", job)

    assert sign["url"] == address
    assert "Status changed: completed" in followed
    assert [one["id"] for one in json.loads(asked)["jobs"]] == [job]
    assert [(entry["action"], entry["target"]) for entry in audit] == [("POST /api/jobs", job)]
    assert not (program.place / "quaero.db.server").exists()
    assert alone["status"] == "completed"


def test_following_goes_on_over_a_gateway_that_is_killed(program: Program) -> None:
    up, _ = program.up()
    job = program.run("submit", "generator", "--payload", '{"log_count": 500, "log_delay_ms": 10}').stdout.strip()
    following = program.start("logs", job, "-f", "--json")
    following.until('"seq"', on="out")

    for pid, words in program.processes().items():
        if "quaero.app gateway" in words:
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: "starting it again" in up.err, "the gateway again")
    program.ended(job)

    assert following.wait() == 0
    wait_for(lambda: following.out.endswith("\n"), "the last line")
    seqs = [json.loads(line)["seq"] for line in following.out.splitlines()]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) == program.json("show", job)["log_head"]


def test_watch_shows_the_queue_and_a_tree_and_gives_the_terminal_back(program: Program) -> None:
    program.run("init")
    job = program.run("run", tree(program), "--app", "tests.integration.apps", "--json").stdout
    name = json.loads(job)["name"]
    terminal = Terminal(program, "watch")

    terminal.until("20 completed")
    terminal.type("\r")
    terminal.until(f"{name} (job 1)")
    terminal.type("\x1b[D")
    terminal.type("q")

    assert terminal.wait() == 0
    assert terminal.raw.rfind(b"\x1b[?1049l") > terminal.raw.rfind(b"\x1b[?1049h") >= 0
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")
