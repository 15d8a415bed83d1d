"""Running a program as a job."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.unit.processes import gone

from quaero.domain.facts import How, Progressed
from quaero.engine.protocol import Cancel

Start = Callable[..., Any]


def run(start: Start, **payload: Any) -> Any:
    driver = start(app=None, settings=msgspec.json.encode({"command": {"enabled": True}}))
    driver.run("command", payload)
    return driver


def test_a_programs_output_is_the_jobs_log(start: Start) -> None:
    driver = run(start, command=["sh", "-c", "echo out; echo err >&2; printf last"])

    assert (driver.ended().how, driver.ended().result) == (How.COMPLETED, b'{"exit_code":0}')
    assert sorted((line.message, line.level) for line in driver.lines()) == [("err", 2), ("last", 1), ("out", 1)]


def test_a_text_is_given_to_the_shell(start: Start) -> None:
    driver = run(start, command="for n in 1 2; do echo line $n; done | tac", cwd="/", stdin="unread")

    driver.ended()
    assert driver.texts() == ["line 2", "line 1"]


def test_it_reads_the_text_it_is_given(start: Start) -> None:
    text = "é line\n" * 50_000
    driver = run(start, command=["sort", "-u"], stdin=text)

    driver.ended()
    assert driver.texts() == ["é line"]


def test_the_environment_holds_nothing_of_the_servers(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "x")
    driver = run(start, command=["env"], env={"GIVEN": "y"})

    driver.ended()
    names = {text.partition("=")[0] for text in driver.texts()}
    assert "GIVEN" in names
    assert names <= {"PATH", "HOME", "LANG", "GIVEN"}


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"command": "echo reason >&2; exit 3"}, "exit code 3: reason"),
        ({"command": "exit 4"}, "exit code 4"),
        ({"command": "kill -SEGV $$"}, "signal SIGSEGV"),
        ({"command": ["/no/such/program"]}, "cannot start '/no/such/program': "),
        ({"command": ["true"], "cwd": "/no/such/place"}, "cannot start 'true': "),
        ({"command": []}, "command is empty"),
        ({"command": 5}, "argument 'command' of run is wrong"),
    ],
)
def test_what_goes_wrong_fails_the_job(start: Start, payload: dict[str, Any], message: str) -> None:
    driver = run(start, **payload)

    assert driver.ended().how == How.FAILED
    assert driver.ended().error.message.startswith(message)


def test_a_directive_moves_the_progress_and_is_no_line(start: Start) -> None:
    driver = run(start, command="echo '::quaero progress 3/10 half-way'; echo '::quaero progression'")

    driver.ended()
    told = driver.of(Progressed)[-1]
    assert (told.current, told.total, told.message) == (3, 10, "half-way")
    assert driver.texts() == ["::quaero progression"]


def test_many_run_at_once(start: Start) -> None:
    driver = start(app=None, settings=msgspec.json.encode({"command": {"enabled": True}}))

    for job_id in driver.run_all("command", [{"command": f"echo {n}; sleep 0.2; echo {n}"} for n in range(20)]):
        driver.ended(job_id)

    ends = [driver.ended(n) for n in range(1, 21)]
    assert [driver.texts(n) for n in range(1, 21)] == [[str(n)] * 2 for n in range(20)]
    assert min(end.at for end in ends) > max(end.began_at for end in ends) - 10_000_000


def test_cancelling_ends_the_whole_group(start: Start) -> None:
    driver = run(start, command="sleep 60 & echo $!; wait")
    (pid,) = driver.until(driver.texts)

    driver.send(Cancel([1]))

    assert driver.ended().how == How.CANCELLED
    assert gone(int(pid))


def test_a_program_may_clean_up_when_it_is_asked_to_end(start: Start) -> None:
    driver = run(start, command="trap 'echo cleaned; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    driver.until(driver.texts)

    driver.send(Cancel([1]))

    assert driver.ended().how == How.CANCELLED
    assert driver.texts()[-1] == "cleaned"


def test_a_program_left_behind_does_not_hold_up_the_end(start: Start) -> None:
    driver = run(start, command="(sleep 60) & echo done")

    end = driver.ended()

    assert end.how == How.COMPLETED
    assert driver.texts()[0] == "done"
    assert "still holds its output" in driver.texts()[1]


def test_the_program_dies_with_its_executor(start: Start) -> None:
    driver = run(start, command=["sh", "-c", "echo $$; exec sleep 60"])
    (pid,) = driver.until(driver.texts)

    driver.process.kill()

    assert gone(int(pid))
