"""The REST interface of a real program: as described, whatever it is asked; and a bulk action from end to end."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.integration.program import Program, http, wait_for

SCHEMATHESIS = [str(Path(sys.executable).parent / "schemathesis"), "run", "--no-color", "--continue-on-failure"]
DEFINITION = {"id": "adding", "step": {"one": {"type": "add", "a": 1, "b": 2}}}
# what is a valid string by its schema may still name no time, kind or cron line: refusing it is right
NOT_ASKED = "positive_data_acceptance"


def furnish(url: str) -> None:
    """Something of everything, so that ids lead somewhere."""
    for n in range(5):
        assert http("POST", f"{url}/api/jobs", {"kind": "add", "payload": {"a": n, "b": 1}, "tags": ["ours"]})[0] == 201
    assert http("POST", f"{url}/api/job-definitions", DEFINITION)[0] == 201
    assert http("POST", f"{url}/api/job-definitions/adding/execute")[0] == 201


@pytest.mark.timeout(400)
@pytest.mark.parametrize("phase", ["coverage", "fuzzing"])
def test_a_gateway_does_what_its_description_says_whatever_it_is_asked(program: Program, phase: str) -> None:
    """Nothing answers 5xx, or otherwise than described, or accepts what the description forbids."""
    _, url = program.up()
    furnish(url)

    asked = subprocess.run(
        [
            *(*SCHEMATHESIS, f"{url}/api/openapi.json", "--checks", "all", "--exclude-checks", NOT_ASKED),
            *("--exclude-path-regex", "/stream$", "--phases", phase, "--max-examples", "8", "--seed", "7"),
            *("--request-timeout", "60", "--warnings", "off"),
        ],
        cwd=program.place,
        capture_output=True,
        text=True,
        timeout=380,
    )

    assert asked.returncode == 0, asked.stdout[-8000:] + asked.stderr[-2000:]
    assert "Tested:" in asked.stdout


def test_a_bulk_action_is_done_by_a_worker_and_tells_how_far_it_is(program: Program) -> None:
    up, url = program.up()
    ids = [
        http("POST", f"{url}/api/jobs", {"kind": "add", "run_at": "2999-01-01T00:00:00Z", "tags": ["late"]})[1]["id"]
        for _ in range(30)
    ]
    kept = http("POST", f"{url}/api/jobs", {"kind": "add", "run_at": "2999-01-01T00:00:00Z"})[1]["id"]

    preview = http("POST", f"{url}/api/jobs/bulk", {"action": "cancel", "filter": {"tag": "late"}, "preview": True})[1]
    accepted = http("POST", f"{url}/api/jobs/bulk", {"action": "cancel", "filter": {"tag": "late"}})[1]

    def done() -> dict[str, Any] | None:
        job: dict[str, Any] = http("GET", f"{url}/api/jobs/{accepted['job']['id']}")[1]
        return job if job["status"] == "completed" else None

    bulk = wait_for(done, "the end of the bulk")
    assert bulk is not None
    assert preview["actionable"] == accepted["matching"] == 30
    assert (bulk["result"]["affected"], bulk["progress"]["current"], bulk["progress"]["total"]) == (30, 30, 30)
    assert {http("GET", f"{url}/api/jobs/{one}")[1]["status"] for one in ids} == {"cancelled"}
    assert http("GET", f"{url}/api/jobs/{kept}")[1]["status"] == "pending"
    up.send(signal.SIGTERM)
    assert up.wait() == 0
    program.run("doctor")


def test_a_bulk_action_outlives_the_gateway_that_accepted_it(program: Program) -> None:
    up, url = program.up()
    later = [{"kind": "add", "run_at": "2999-01-01T00:00:00Z", "tags": ["late"]} for _ in range(250)]
    ids = http("POST", f"{url}/api/jobs", later)[1]["ids"]
    up.send(signal.SIGTERM)
    assert up.wait() == 0
    alone = program.start("serve", "--port", "0")
    url = alone.until("serving").split()[-1].rstrip("/")

    accepted = http("POST", f"{url}/api/jobs/bulk", {"action": "cancel", "filter": {"tag": "late"}})[1]
    for pid in program.processes():
        os.kill(pid, signal.SIGKILL)
    alone.wait()
    _, url = program.up()

    def done() -> dict[str, Any] | None:
        job: dict[str, Any] = http("GET", f"{url}/api/jobs/{accepted['job']['id']}")[1]
        return job if job["status"] == "completed" else None

    bulk = wait_for(done, "the end of the bulk")
    assert bulk is not None
    assert (bulk["result"]["jobs"], bulk["result"]["refused"]) == (250, 0)
    page = http("GET", f"{url}/api/jobs?status=cancelled&limit=1000")[1]
    assert {job["id"] for job in page["jobs"]} == set(ids)
