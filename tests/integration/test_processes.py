"""The processes of `quaero up`: how they stop, what they refuse to start with, and that none outlives its parent."""

import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.program import COMMAND, CONFIG, Program, http, submit, wait_for, without_privileges


def says(address: str, job_id: str, words: str) -> None:
    """Wait until a job says that it is at work."""

    def said() -> bool:
        entries = http("GET", f"{address}/api/jobs/{job_id}/logs")[1]["logs"]
        return any(words in entry["message"] for entry in entries)

    wait_for(said, f"job {job_id} says {words!r}")


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Program]:
    """A program that gives what runs a minute to end."""
    program = Program(tmp_path, CONFIG.replace('grace = "1s"', 'grace = "60s"'))
    yield program
    program.close()


def test_a_program_told_to_stop_lets_what_runs_end_and_begins_nothing_more(patient: Program) -> None:
    up, address = patient.up()
    end = patient.place / "end"
    job_id = submit(address, "until_it_is_there", {"path": str(end)})
    says(address, job_id, "waiting for a file")

    up.send(signal.SIGTERM)
    later = patient.run("submit", "add").stdout.strip()
    end.touch()

    assert up.wait() == 0
    assert patient.json("show", job_id)["status"] == "completed"
    assert patient.json("show", later)["status"] == "pending"
    assert not patient.processes()
    patient.run("doctor")


def test_what_does_not_end_within_the_grace_goes_back_without_costing_an_attempt(program: Program) -> None:
    up, address = program.up()
    quick, plain = submit(address, "ignores_cancel"), submit(address, "stays_plain")
    says(address, quick, "not listening")
    says(address, plain, "staying")

    up.send(signal.SIGTERM)

    assert up.wait() == 0
    for job_id in (quick, plain):
        job = program.json("show", job_id)
        assert (job["status"], job["attempt"]) == ("pending", 0)
    assert not program.processes()
    program.run("doctor")


def test_told_twice_it_ends_at_once(patient: Program) -> None:
    up, address = patient.up()
    job_id = submit(address, "ignores_cancel")
    says(address, job_id, "not listening")

    up.send(signal.SIGTERM)
    patient.run("submit", "add")  # time enough to see that it goes on
    assert up.process.poll() is None
    up.send(signal.SIGTERM)

    assert up.wait() == 0  # in less than the grace
    job = patient.json("show", job_id)
    assert (job["status"], job["attempt"]) == ("pending", 0)
    assert not patient.processes()
    patient.run("doctor")


def test_no_process_outlives_a_supervisor_that_was_killed(program: Program) -> None:
    up, address = program.up("--demo")
    says(address, submit(address, "plain_program"), "started")
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
    job_id = submit(address, "polite_neighbour", {"seconds": 0.1}, max_attempts=2)
    worker = next(pid for pid, words in program.processes().items() if "quaero.app worker" in words)

    os.kill(worker, signal.SIGKILL)

    assert "starting it again" in up.until("the worker ended with code -9")
    program.ended(job_id)
    assert http("GET", f"{address}/api/health")[0] == 200
    up.send(signal.SIGTERM)
    assert up.wait() == 0


def test_a_job_sees_nothing_of_how_quaero_was_started(program: Program) -> None:
    """Its standard input is empty, and no descriptor of ours is open in it."""
    up, address = program.up()
    job = program.ended(submit(address, "looks_around"))

    assert job["result"]["stdin"] == ""
    assert job["result"]["open"] == []
    up.send(signal.SIGTERM)
    assert up.wait() == 0
    assert sys.executable in COMMAND


def test_a_gateway_takes_as_many_descriptors_as_it_may(program: Program) -> None:
    """A shell gives fewer at first than there may be viewers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard - 1), hard))
    try:
        program.up()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    [gateway] = [pid for pid, words in program.processes().items() if "quaero.app gateway" in words]
    [line] = [line for line in Path(f"/proc/{gateway}/limits").read_text().splitlines() if "open files" in line]
    assert line.split()[3:5] == [str(hard)] * 2
