"""The processes of `quaero up`: how they stop, what they refuse to start with, and that none outlives its parent."""

import os
import signal
import socket
import sys
from pathlib import Path

from tests.integration.program import COMMAND, CONFIG, Program, http, wait_for, without_privileges

SLOW_GRACE = CONFIG.replace('grace = "1s"', 'grace = "60s"')


def is_running(program: Program, job_id: str, words: str) -> bool:
    """Whether a job says that it is at work."""
    return words in program.run("logs", job_id).stdout


def test_a_program_told_to_stop_lets_what_runs_end_and_begins_nothing_more(program: Program) -> None:
    up, _ = program.up()
    job_id = program.run("submit", "polite_neighbour", "--payload", '{"seconds": 0.8}').stdout.strip()
    wait_for(lambda: program.json("show", job_id)["status"] == "running", "the job runs")

    up.send(signal.SIGTERM)
    later = program.run("submit", "add").stdout.strip()

    assert up.wait() == 0
    assert program.json("show", job_id)["status"] == "completed"
    assert program.json("show", later)["status"] == "pending"
    assert not program.processes()
    program.run("doctor")


def test_what_does_not_end_within_the_grace_goes_back_without_costing_an_attempt(program: Program) -> None:
    up, _ = program.up()
    quick = program.run("submit", "ignores_cancel").stdout.strip()
    plain = program.run("submit", "stays_plain").stdout.strip()
    wait_for(lambda: is_running(program, quick, "not listening") and is_running(program, plain, "staying"), "both run")

    up.send(signal.SIGTERM)

    assert up.wait() == 0
    for job_id in (quick, plain):
        job = program.json("show", job_id)
        assert (job["status"], job["attempt"]) == ("pending", 0)
    assert not program.processes()
    program.run("doctor")


def test_told_twice_it_ends_at_once(tmp_path: Path) -> None:
    program = Program(tmp_path, SLOW_GRACE)
    try:
        up, _ = program.up()
        job_id = program.run("submit", "ignores_cancel").stdout.strip()
        wait_for(lambda: is_running(program, job_id, "not listening"), "the job runs")

        up.send(signal.SIGTERM)
        program.run("submit", "add")  # time enough to see that it goes on
        assert up.process.poll() is None
        up.send(signal.SIGTERM)

        assert up.wait(15) == 0
        job = program.json("show", job_id)
        assert (job["status"], job["attempt"]) == ("pending", 0)
        assert not program.processes()
        program.run("doctor")
    finally:
        program.close()


def test_no_process_outlives_a_supervisor_that_was_killed(program: Program) -> None:
    up, _ = program.up("--demo")
    job_id = program.run("submit", "plain_program").stdout.strip()
    wait_for(lambda: is_running(program, job_id, "started"), "the program of a job runs")
    before = program.processes()
    assert any("sleep 600" in words for words in before.values())
    assert any("quaero.engine.executor" in words for words in before.values())

    up.send(signal.SIGKILL)

    wait_for(lambda: not program.processes(), "every process is gone")
    assert up.wait() == -signal.SIGKILL


def test_an_application_that_does_not_import_is_refused_in_one_line(program: Program) -> None:
    (program.place / "broken.py").write_text("import nothing_of_this_name\n")

    for command in (["up", "--port", "0"], ["work"]):
        done = program.run(*command, "--app", "broken", code=2)

        [line] = done.stderr.splitlines()
        assert "broken" in line
        assert "nothing_of_this_name" in line
        assert f"{program.place}/broken.py:1" in line
    assert not program.processes()


def test_a_port_in_use_is_refused_in_one_line(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = program.run("up", "--port", str(port), code=2)

    assert (
        done.stderr == f"quaero: cannot serve on 127.0.0.1:{port}: port {port} is in use: choose another with --port\n"
    )


def test_a_folder_that_cannot_be_written_is_refused_in_one_line(program: Program) -> None:
    folder = program.place / "closed"
    folder.mkdir(mode=0o500)

    for command in (["up", "--port", "0"], ["submit", "add"], ["init"]):
        store = f"sqlite:///{folder}/quaero.db"
        done = program.run(*command, "--store", store, code=4, preexec_fn=without_privileges)

        [line] = done.stderr.splitlines()
        assert str(folder) in line
        assert "permission" in line.lower()


def test_a_worker_that_dies_is_started_again_and_its_jobs_go_on(program: Program) -> None:
    up, address = program.up()
    job_id = program.run("submit", "polite_neighbour", "--payload", '{"seconds": 0.1}', "--max-attempts", "2").stdout
    worker = next(pid for pid, words in program.processes().items() if "quaero.app worker" in words)

    os.kill(worker, signal.SIGKILL)

    assert "starting it again" in up.until("the worker ended with code -9")
    program.ended(job_id.strip())
    assert http("GET", f"{address}/api/health")[0] == 200
    up.send(signal.SIGTERM)
    assert up.wait() == 0


def test_a_job_sees_nothing_of_how_quaero_was_started(program: Program) -> None:
    """Its standard input is empty, and no descriptor of ours is open in it."""
    up, _ = program.up()
    job = program.ended(program.run("submit", "looks_around").stdout.strip())

    assert job["result"]["stdin"] == ""
    assert job["result"]["open"] == []
    up.send(signal.SIGTERM)
    assert up.wait() == 0
    assert sys.executable in COMMAND
