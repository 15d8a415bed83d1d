"""A real executor process, driven over a real socket with real frames, as a worker would."""

import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quaero.domain.entries import Line
from quaero.domain.facts import Ended, Fact, Lines, Spawned
from quaero.engine.protocol import (
    LENGTH,
    Facts,
    FromExecutor,
    Orphans,
    Ready,
    Run,
    Setup,
    Task,
    ToExecutor,
    decode_from_executor,
    frame,
)

PATIENCE = 20.0
decode_lines = msgspec.msgpack.Decoder(list[Line]).decode
Start = Callable[..., "Driver"]


class Driver:
    """The worker's end: sends frames, keeps everything that comes back, in order."""

    def __init__(self, process: subprocess.Popen[bytes], sock: socket.socket) -> None:
        self.process = process
        self.sock = sock
        self.messages: list[FromExecutor] = []
        self.facts: list[Fact] = []
        self.largest_frame = 0
        self._buffer = bytearray()

    def send(self, message: ToExecutor) -> None:
        self.sock.sendall(frame(message))

    def run(self, kind: str, payload: dict[str, Any] | None = None, job_id: int = 1, **options: Any) -> int:
        """Send one task."""
        self.send(Run([task(kind, payload, job_id, **options)]))
        return job_id

    def run_all(self, kind: str, payloads: list[dict[str, Any]], **options: Any) -> list[int]:
        """Send several tasks in one frame, numbered from 1."""
        self.send(Run([task(kind, payload, n, **options) for n, payload in enumerate(payloads, 1)]))
        return list(range(1, len(payloads) + 1))

    def until(self, found: Callable[[], Any]) -> Any:
        """Read until something is there; fails when nothing comes any more."""
        while not (value := found()):
            if not self.read():
                raise AssertionError(f"it never came; what did: {str(self.messages[1:][-20:])[:5_000]}")
        return value

    def read(self, timeout: float = PATIENCE) -> bool:
        """Take what comes next; whether anything did."""
        if not select.select([self.sock], [], [], max(0.0, timeout))[0]:
            return False
        data = self.sock.recv(1 << 20)
        self._buffer += data
        while len(self._buffer) >= 4:
            end = 4 + LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                break
            self.largest_frame = max(self.largest_frame, end)
            message = decode_from_executor(bytes(self._buffer[4:end]))
            del self._buffer[:end]
            self.messages.append(message)
            if isinstance(message, Facts):
                self.facts += message.facts
        return bool(data)

    def ready(self) -> Ready:
        """Wait until it takes work."""
        return self.first(Ready)

    def first(self, kind: type[Any]) -> Any:
        """The first message of a kind."""
        return self.until(lambda: next((m for m in self.messages if isinstance(m, kind)), None))

    def first_fact(self, kind: type[Any], job_id: int = 1) -> Any:
        """The first fact of a kind for a job."""
        return self.until(lambda: next((f for f in self.facts if isinstance(f, kind) and f.job_id == job_id), None))

    def ended(self, job_id: int = 1) -> Ended:
        """Wait for a job's end."""
        end: Ended = self.first_fact(Ended, job_id)
        return end

    def of(self, kind: type[Any], job_id: int = 1) -> list[Any]:
        """All facts of a kind for a job so far."""
        return [fact for fact in self.facts if isinstance(fact, kind) and fact.job_id == job_id]

    def lines(self, job_id: int = 1) -> list[Line]:
        """A job's lines so far."""
        return [line for fact in self.of(Lines, job_id) for line in decode_lines(fact.body)]

    def texts(self, job_id: int = 1) -> list[str]:
        """The messages of a job's lines so far."""
        return [line.message for line in self.lines(job_id)]

    def orphan_texts(self) -> list[str]:
        """The messages of lines nobody owns so far."""
        return [line.message for m in self.messages if isinstance(m, Orphans) for line in decode_lines(m.body)]

    def children(self, job_id: int = 1) -> list[Any]:
        """What a job asked to spawn so far."""
        return [child for fact in self.of(Spawned, job_id) for child in fact.children]

    def exit_code(self) -> int:
        """Wait for the process to end."""
        while self.read():
            pass
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.sock.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)


def task(kind: str, payload: dict[str, Any] | None = None, job_id: int = 1, **options: Any) -> Task:
    """A task with what tests rarely care about filled in."""
    given: dict[str, Any] = {
        "epoch": 1, "root_id": job_id, "parent_id": None, "step": None, "step_id": None, "attempt": 1, "round": 1,
        "max_attempts": 3, "timeout": 0,
    }  # fmt: skip
    return Task(job_id=job_id, kind=kind, payload=msgspec.json.encode(payload or {}), **{**given, **options})


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an executor with an application given as source text; waits until it is ready unless told not to."""
    drivers: list[Driver] = []

    def start_executor(source: str = "", *, wait: bool = True, app: str | None = "application", **setup: Any) -> Driver:
        preamble = "import asyncio, logging, os, subprocess, sys, time, warnings\nimport quaero\napp = quaero.App()\n"
        (tmp_path / "application.py").write_text(preamble + textwrap.dedent(source))
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            [sys.executable, "-m", "quaero.engine.executor", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        driver = Driver(process, ours)
        drivers.append(driver)
        driver.send(Setup(app=app, **setup))
        if wait:
            driver.ready()
        return driver

    yield start_executor
    for driver in drivers:
        driver.close()
