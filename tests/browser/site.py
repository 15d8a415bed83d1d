"""A running server as the browser tests use it: its address, its API, and what it is filled with."""

import secrets
import signal
from pathlib import Path
from typing import Any

from tests.integration.program import Program, http, wait_for

DEFINITION = """
id = "survey"
name = "Harbour survey"
description = "Three steps, in two of which something fails"
schedule = "30 2 * * 1"
tags = ["harbour", "weekly"]

[step.measure]
type = "family"
size = 60
fail_every = 7
on_error = "continue"

[step.compare]
type = "family"
depends = "measure"
size = 40
fail_every = 5
on_error = "continue"

[step.report]
type = "child"
depends = "measure, compare"
number = 1
"""


class Gate:
    """A file that children wait for: with the name of the gate as their payload's `gate` they go on once it is open."""

    def __init__(self, place: Path) -> None:
        self.name = f"gate-{secrets.token_hex(4)}"
        self._file = place / self.name

    def open(self) -> None:
        """Let them go on."""
        self._file.touch()


class Site:
    """One `quaero up`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.running, self.address = program.up(app="tests.browser.work")
        self.jobs: dict[str, str] = {}

    def get(self, path: str) -> Any:
        """What the API answers, which must be all right."""
        status, answer = http("GET", self.address + path)
        assert status == 200, answer
        return answer

    def post(self, path: str, body: Any) -> Any:
        """What the API answers to something new."""
        status, answer = http("POST", self.address + path, body)
        assert status in (200, 201), answer
        return answer

    def submit(self, kind: str, payload: dict[str, Any] | None = None, **fields: Any) -> str:
        """The id of a new job."""
        return str(self.post("/api/jobs", {"kind": kind, "payload": payload or {}, **fields})["id"])

    def ended(self, job_id: str) -> dict[str, Any]:
        """The job, once it has ended."""
        return wait_for(lambda: self._if_ended(job_id), f"the end of job {job_id}")

    def cancelled(self, job_id: str) -> None:
        """Cancel a job, and wait until nothing of it runs."""
        self.post(f"/api/jobs/{job_id}/cancel", {})
        self.ended(job_id)

    def _if_ended(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.get(f"/api/jobs/{job_id}")
        return job if job["finished_at"] else {}

    def open_gate(self) -> None:
        """Let the children that wait for the file `gate` go on."""
        (self.program.place / "gate").touch()

    def kill_gateway(self) -> None:
        """Let it die without a word; it is started again."""
        [pid] = [pid for pid, words in self.program.processes().items() if "quaero.app gateway" in words]
        self.program.kill(pid, signal.SIGKILL)

    def again(self) -> None:
        """Stop the server and start it anew on the same address."""
        port = self.address.rpartition(":")[2]
        self.running.send(15)
        self.running.wait()
        self.running, self.address = self.program.up("--port", port, app="tests.browser.work")

    def fill(self) -> None:
        """Something of everything, ended and open."""
        self.post("/api/job-definitions", {"toml": DEFINITION})
        self.jobs["definition"] = self.post("/api/job-definitions/survey/execute", {})["id"]
        self.jobs["family"] = self.submit(
            "family", {"size": 500, "fail_every": 7}, name="Night watch", tags=["harbour"]
        )
        self.jobs["talker"] = self.submit("talker", {"lines": 5_000}, name="Talks a lot")
        self.jobs["failed"] = self.submit("child", {"number": 1, "fails": True}, name="Was refused")
        for name in ("definition", "family", "talker", "failed"):
            self.ended(self.jobs[name])
        self.jobs["open"] = self.submit("family", {"size": 300, "gate": "never"}, name="Waits for the tide")
