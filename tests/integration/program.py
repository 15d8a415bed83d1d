"""Real `quaero` processes in a folder of their own.

All of them, and what they start, carry a token in their environment: so they are found and ended whatever became of
their parents, and nothing else is ever touched.
"""

import ctypes
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from quaero.domain.status import COMPLETED
from quaero.storage.connection import Connection
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.sqlite import connect
from quaero.storage.sqlstore import is_postgres

T = TypeVar("T")
TOP = Path(__file__).resolve().parents[2]
TOKEN = "QUAERO_TEST_RUN"
PATIENCE = 40.0
COMMAND = [sys.executable, "-c", "from quaero.cli.main import main; main()"]
_PR_CAPBSET_DROP, _READ_AND_WRITE_ANYTHING = 24, (1, 2)

CONFIG = """
[queue]
executors = 1
lease = "8s"
heartbeat = "500ms"
grace = "1s"
"""


def wait_for(fact: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Look again and again until `fact` answers something true."""
    nothing = threading.Event()
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, f"it never came: {what}"
        nothing.wait(0.02)
    return found


class Running:
    """A program that was started, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.said: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
        for name, stream in (("out", process.stdout), ("err", process.stderr)):
            if stream is not None:
                threading.Thread(target=self._read, args=(name, stream), daemon=True).start()

    def _read(self, name: str, stream: IO[bytes]) -> None:
        while data := os.read(stream.fileno(), 65536):
            self.said[name] += data
        stream.close()

    @property
    def out(self) -> str:
        """Standard output so far."""
        return self.said["out"].decode(errors="replace")

    @property
    def err(self) -> str:
        """Standard error so far."""
        return self.said["err"].decode(errors="replace")

    def until(self, text: str, *, on: str = "err") -> str:
        """Wait until it has said this; the line that holds it."""

        def said() -> str | None:
            lines = self.said[on].decode(errors="replace").splitlines(keepends=True)
            return next((line.strip() for line in lines if text in line and line.endswith("\n")), None)

        try:
            found = wait_for(said, text)
        except AssertionError:
            raise AssertionError(f"it never said {text!r}: {self.out}\n{self.err}") from None
        assert found is not None
        return found

    def send(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(seconds)


class Program:
    """The command line of one store, in `place` unless a URL is given. Close it: nothing is left behind."""

    def __init__(self, place: Path, config: str = CONFIG, url: str | None = None) -> None:
        self.place = place
        self.store = place / "quaero.db"
        self.url = url or f"sqlite:///{self.store}"
        self._mark = f"{TOKEN}={secrets.token_hex(8)}"
        self._started: list[subprocess.Popen[bytes]] = []
        (place / "quaero.toml").write_text(config)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a process of this run sees."""
        name, _, value = self._mark.partition("=")
        ours = {key: text for key, text in os.environ.items() if not key.startswith("QUAERO_")}
        path = os.pathsep.join([str(TOP), *(entry for entry in sys.path if entry)])
        return {**ours, "PYTHONPATH": path, "QUAERO_STORE_URL": self.url, name: value, **(more or {})}

    def start(self, *arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> Running:
        """Start a command and go on."""
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.place,
            env=self.environment(env),
            start_new_session=True,
            **{**given, **options},
        )
        self._started.append(process)
        return Running(process)

    def run(self, *arguments: str, code: int = 0, stdin: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, which must be this exit code."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.place,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            **options,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str, **options: Any) -> Any:
        """What a command prints with `--json`."""
        return json.loads(self.run(*arguments, "--json", **options).stdout)

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """The store, to look into: a command that asks the same costs a third of a second of processor time."""
        db = PostgresConnection(self.url) if is_postgres(self.url) else connect(self.store, readonly=True)
        try:
            yield db
        finally:
            db.handle.close()

    def up(self, *arguments: str, app: str = "tests.integration.apps") -> tuple[Running, str]:
        """Start `quaero up` on a free port and wait until it is ready: the program and its address."""
        running = self.start("up", "--port", "0", "--app", app, *arguments)
        words = running.until("Quaero is ready at").split()
        return running, words[words.index("at") + 1].rstrip("/")

    def ended(self, job_id: str, status: str = "completed") -> dict[str, Any]:
        """The job, once it is terminal, which must be with this status."""
        with self.looking() as db:
            is_over = "select 1 from job where id = ? and status >= ?"
            wait_for(lambda: db.rows(is_over, (int(job_id), COMPLETED)), f"the end of job {job_id}")
        job: dict[str, Any] = self.json("show", job_id)
        assert job["status"] == status, job
        return job

    def processes(self) -> dict[int, str]:
        """Every living process of this run, with its command line."""
        found = {}
        for entry in os.scandir("/proc"):
            try:
                if entry.name.isdigit() and self._mark.encode() in Path(f"{entry.path}/environ").read_bytes():
                    words = Path(f"{entry.path}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    state = Path(f"{entry.path}/stat").read_text().rpartition(") ")[2][0]
                    if state not in "ZX":
                        found[int(entry.name)] = words
            except OSError:
                continue
        return found

    def kill(self, pid: int, number: int = signal.SIGKILL) -> None:
        """Send a signal to one of this run's processes."""
        assert pid in self.processes()
        os.kill(pid, number)

    def close(self) -> None:
        """End what still runs."""

        def none_left() -> bool:
            for pid in self.processes():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            return not self.processes()

        wait_for(none_left, "the end of all processes")
        for process in self._started:
            process.wait(PATIENCE)


def without_privileges() -> None:
    """Before a program starts: take from root the right to write where its permissions say no."""
    for right in _READ_AND_WRITE_ANYTHING:
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, right, 0, 0, 0)


def http(method: str, url: str, body: Any = None, *, token: str = "") -> tuple[int, Any]:
    """One request: the status and the JSON of the answer."""
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


def submit(address: str, kind: str, payload: Mapping[str, Any] | None = None, **fields: Any) -> str:
    """The id of a new job of a server, without what a command costs."""
    status, job = http("POST", f"{address}/api/jobs", {"kind": kind, "payload": payload or {}, **fields})
    assert status == 201, job
    return str(job["id"])
