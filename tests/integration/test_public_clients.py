"""Clients that are not ours see every line once, in order, to the end, while gateways die and are stopped.

curl, the libraries `requests-sse` (Python) and `eventsource` (JavaScript), and `ws` for the WebSocket; a browser's own
EventSource is in `tests/browser`. Each is used as its own manual says, and resumes by its own means.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
import requests_sse
from tests.clients.packages import installed
from tests.integration.program import PATIENCE, Program, http, wait_for
from tests.integration.reading import stored_entries
from tests.integration.test_streams import gateways, generate, incarnation
from tests.unit.ui.test_modules import NODE

TALKATIVE = {"worker_count": 6, "log_count": 10_000, "log_delay_ms": 20}
STREAMS, SOCKETS = 5, 1
MORE = 150  # lines between two disturbances
Page = dict[str, Any]


@dataclass
class Transcript:
    """What one client has read: pages as they came."""

    name: str
    level: str = "debug"
    pages: list[Page] = field(default_factory=list)
    opens: int = 0

    @property
    def count(self) -> int:
        return sum(len(page.get("logs", ())) for page in list(self.pages))

    def faults(self, stored: list[dict[str, Any]]) -> list[str]:
        """What is wrong with it: entries that differ from the stored ones, pages that do not join."""
        entries = [entry for page in self.pages for entry in page.get("logs", ())]
        found = [] if entries == stored else [f"{self.name}: {len(entries)} entries for {len(stored)}"]
        at = 0
        for page in self.pages:
            if "at" in page:
                at = int(page["at"].rpartition(".")[2])
            elif page["prev"] != at:
                found.append(f"{self.name}: a page goes on from {page['prev']}, it was at {at}")
                break
            else:
                at = page["to"]
        return found


@pytest.fixture(scope="session")
def packages() -> Path:
    return installed()


class Curl:
    """`curl -N`, started again with the last id whenever it was cut or ended; it is cut at random, too."""

    def __init__(self, url: str, first: str, rng: Random, transcript: Transcript) -> None:
        self._url = url
        self._cursor = first
        self._rng = rng
        self._transcript = transcript
        self._is_over = False

    def follow(self) -> None:
        """Until the end was told, or it took too long."""
        give_up = time.monotonic() + 2 * PATIENCE
        while not self._is_over and time.monotonic() < give_up:
            self._transcript.opens += 1
            self._run()
            threading.Event().wait(0.1)

    def _run(self) -> None:
        header = f"Last-Event-ID: {self._cursor}"
        command = ["curl", "-sN", "-H", header, "-w", "\nstatus: %{http_code}\n\n", self._url]
        left = self._rng.randrange(20_000, 200_000)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            buffer = b""
            while left > 0 and not self._is_over and (data := os.read(process.stdout.fileno(), 65_536)):
                left -= len(data)
                *events, buffer = (buffer + data).split(b"\n\n")
                for event in events:
                    self._take(event.decode())
            process.kill()

    def _take(self, event: str) -> None:
        fields = dict(line.split(": ", 1) for line in event.split("\n") if ": " in line)
        if fields.get("event") == "logs":
            self._transcript.pages.append(json.loads(fields["data"]))
        elif fields.get("event") == "ping":
            self._transcript.pages.append({"at": fields["id"]})
        self._is_over = fields.get("event") == "end" or fields.get("status") == "204"
        self._cursor = fields.get("id", self._cursor)


def curl(transcript: Transcript, url: str, first: str, rng: Random) -> None:
    Curl(url, first, rng, transcript).follow()


def requests_sse_(transcript: Transcript, url: str, first: str) -> None:
    pause = timedelta(milliseconds=50)
    source = requests_sse.EventSource(
        url, reconnection_time=pause, max_connect_retry=9, timeout=PATIENCE, latest_event_id=first
    )
    source._on_open = lambda: setattr(transcript, "opens", transcript.opens + 1)
    try:
        with source:
            for event in source:
                if event.type == "logs":
                    transcript.pages.append(json.loads(event.data or ""))
                elif event.type == "ping":
                    transcript.pages.append({"at": event.last_event_id})
                elif event.type == "end":
                    return
    except requests_sse.InvalidStatusCodeError as told:
        if told.status_code != 204:
            raise


def node(transcript: Transcript, script: Path, *arguments: str) -> None:
    done = subprocess.run([NODE, script, *arguments], capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    transcript.pages, transcript.opens = told["pages"], told["opens"]


def end_gateway(program: Program, address: str, number: int) -> None:
    """Send a signal to the gateway once everybody is there: who was not would not have to come back."""

    def all_are_there() -> bool:
        try:
            with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:
                told = answer.read().decode()
        except OSError:  # it is not back yet
            return False
        found = dict(re.findall(r'^quaero_viewers\{sort="(\w+)"\} (\d+)', told, re.MULTILINE))
        return int(found["stream"]) >= STREAMS and int(found["socket"]) == SOCKETS

    wait_for(all_are_there, "all viewers")
    os.kill(gateways(program)[0], number)


class Follower(threading.Thread):
    """A client in a thread of its own; what went wrong there is raised here."""

    def __init__(self, transcript: Transcript, follow: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.transcript = transcript
        self._follow = follow
        self._trouble: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._follow()
        except BaseException as trouble:
            self._trouble = trouble

    def ended(self) -> Transcript:
        """What it has read, once it has come to the end."""
        self.join(2 * PATIENCE)
        assert not self.is_alive(), f"{self.transcript.name} did not come to the end"
        if self._trouble is not None:
            raise self._trouble
        return self.transcript


def test_public_clients_see_every_line_once_whatever_becomes_of_the_gateway(program: Program, packages: Path) -> None:
    _, address = program.up()
    job_id = generate(address, **TALKATIVE)
    first = f"{incarnation(address)}.{job_id}.0"
    stream = f"{address}/api/jobs/{job_id}/logs/stream?level="

    def follow(name: str, how: Callable[..., None], *given: Any, level: str = "debug") -> Follower:
        transcript = Transcript(name, level)
        return Follower(transcript, partial(how, transcript, *given))

    python = follow("requests-sse", requests_sse_, f"{stream}debug", first)
    everybody = [
        python,
        follow("requests-sse", requests_sse_, f"{stream}error", first, level="error"),
        follow("curl", curl, f"{stream}debug", first, Random(1)),
        follow("curl", curl, f"{stream}error", first, Random(2), level="error"),
        follow("eventsource", node, packages / "eventsource.mjs", f"{stream}debug&cursor={first}"),
        follow("ws", node, packages / "socket.mjs", f"{address.replace('http', 'ws')}/ws", job_id, first),
    ]
    for number in (signal.SIGKILL, signal.SIGTERM):
        end_gateway(program, address, number)
        read = python.transcript.count
        wait_for(lambda n=read: python.transcript.count > n + MORE, f"{MORE} lines more")
    assert http("POST", f"{address}/api/jobs/{job_id}/cancel", {})[0] == 200
    transcripts = [one.ended() for one in everybody]

    stored = {level: asyncio.run(entries_of(address, job_id, level)) for level in ("debug", "error")}
    assert [fault for one in transcripts for fault in one.faults(stored[one.level])] == []
    assert len(stored["error"]) > 0
    assert all(one.opens >= 2 for one in transcripts), [(one.name, one.opens) for one in transcripts]


async def entries_of(address: str, job_id: str, level: str) -> list[dict[str, Any]]:
    async with aiohttp.ClientSession() as session:
        return await stored_entries(session, address, job_id, level=level)
