"""The processes under chaos. The harness plays init: it starts supervisors and starts them again when they die.

Every process of a run carries a token in its environment, which children inherit: so all are found, however their
parents ended, and nothing else is ever touched.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
TOKEN = "CHAOS_TOKEN"
APP = "tests.chaos.harness.jobs:app"
TELLING = "tests.chaos.harness.telling:app"
ROLES = ("supervisor", "worker", "executor", "gateway", "warden", "program")

CONFIG = """
[queue]
lease = "{lease}ms"
heartbeat = "{heartbeat}ms"
grace = "{grace}ms"
executors = 2
concurrency = 50
[command]
enabled = true
[jobs]
definitions_dir = "{place}/job-definitions"
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A process of this run."""

    pid: int
    role: str
    parent: int
    state: str = "S"


def role_of(arguments: list[str]) -> str:
    """What a process is, by its command line."""
    text = " ".join(arguments)
    for words, role in (
        ("quaero.engine.executor", "executor"),
        ("quaero.app worker", "worker"),
        ("quaero.app gateway", "gateway"),
        ("quaero.cli.main", "supervisor"),
        ("warden", "warden"),
    ):
        if words in text:
            return role
    return "program"


class System:
    """Supervisors of one store in `place`; leases and graces in seconds."""

    def __init__(
        self,
        place: Path,
        *,
        url: str | None = None,
        lease: float = 2.0,
        heartbeat: float = 0.4,
        grace: float = 1.0,
        app: str = APP,
    ) -> None:
        self.place = place
        self.token = secrets.token_hex(8)
        self.url = url or f"sqlite:///{place}/quaero.db"
        self.marks = place / "marks"
        self.told = place / "told"
        self.app = app
        self.lease, self.grace = lease, grace
        self.supervisors: list[subprocess.Popen[bytes]] = []
        self._commands: list[tuple[list[str], Mapping[str, str], str]] = []
        self._log = (place / "log").open("ab")
        (place / "job-definitions").mkdir(exist_ok=True)
        self.config = place / "quaero.toml"
        times = {"lease": round(lease * 1e3), "heartbeat": round(heartbeat * 1e3), "grace": round(grace * 1e3)}
        self.config.write_text(CONFIG.format(place=place, **times))

    # --- starting

    def start(self, command: Iterable[str] = ("work",), *, inside: str = "", **more: str) -> subprocess.Popen[bytes]:
        """Start one supervisor: `work`, `serve`, or `up --port 0`.

        `inside` names the network namespace it lives in; `more` joins its environment.
        """
        options = list(command)
        process = self._spawn(options, more, inside)
        self.supervisors.append(process)
        self._commands.append((options, more, inside))
        return process

    def _spawn(self, options: list[str], more: Mapping[str, str], inside: str) -> subprocess.Popen[bytes]:
        arguments = ["ip", "netns", "exec", inside] if inside else []
        arguments += [sys.executable, "-c", "from quaero.cli.main import main; main()", *options]
        arguments += ["--store", self.url, "--config", str(self.config)]
        arguments += ["--app", self.app] if options[0] != "serve" else []
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("QUAERO_")},
            "PYTHONPATH": os.pathsep.join([str(source_tree()), str(TOP)]),
            TOKEN: self.token,
            "CHAOS_MARKS": str(self.marks),
            "CHAOS_TOLD": str(self.told),
            **more,
        }
        return subprocess.Popen(
            arguments, cwd=self.place, env=environment, stdout=self._log, stderr=self._log, start_new_session=True
        )

    def forget(self, process: subprocess.Popen[bytes]) -> None:
        """Do not start this one again: it was meant to leave."""
        n = self.supervisors.index(process)
        del self.supervisors[n], self._commands[n]

    def revive(self) -> int:
        """Start again every supervisor that is gone; how many."""
        gone = [n for n, process in enumerate(self.supervisors) if process.poll() is not None]
        for n in gone:
            self.supervisors[n] = self._spawn(*self._commands[n])
        return len(gone)

    # --- finding

    def processes(self, *roles: str) -> list[Found]:
        """All living processes of this run, or those of some roles."""
        found = []
        mark = f"{TOKEN}={self.token}".encode()
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit():
                continue
            try:
                if mark not in Path(f"{entry.path}/environ").read_bytes().split(b"\0"):
                    continue
                arguments = Path(f"{entry.path}/cmdline").read_bytes().decode(errors="replace").split("\0")
                state, parent = Path(f"{entry.path}/stat").read_text().rpartition(") ")[2].split()[:2]
            except OSError:
                continue
            role = role_of(arguments)
            if state not in "ZX" and (not roles or role in roles):
                found.append(Found(int(entry.name), role, int(parent), state))
        return found

    def kill(self, *pids: int, number: int = signal.SIGKILL) -> None:
        """Send a signal to processes of this run."""
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def kill_all(self) -> None:
        """Everything at once, as a power cut would."""
        self.kill(*(one.pid for one in self.processes()))

    # --- stopping

    def stop(self, seconds: float) -> list[int]:
        """Drain all supervisors; their exit codes. Raises TimeoutExpired when one takes longer than `seconds`."""
        for process in self.supervisors:
            process.send_signal(signal.SIGTERM)
        until = time.monotonic() + seconds
        return [process.wait(max(0.1, until - time.monotonic())) for process in self.supervisors]

    def close(self) -> None:
        """Leave nothing behind."""
        for _ in range(50):
            self.kill_all()
            for process in self.supervisors:
                process.poll()
            if not self.processes():
                break
            time.sleep(0.1)
        for process in self.supervisors:
            process.wait(10)
        self._log.close()

    def log_tail(self, size: int = 6_000) -> str:
        """The end of what the processes wrote to standard error."""
        return (self.place / "log").read_bytes()[-size:].decode(errors="replace")


def gone(pids: set[int]) -> bool:
    """Whether none of these processes lives (one that nobody has waited for yet does not)."""
    return not any(_is_alive(pid) for pid in pids)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def source_tree() -> Path:
    """Where the code under test lies: the repository's, unless a mutated copy is being tested."""
    return Path(os.environ.get("CHAOS_SOURCE", TOP / "src"))


def wait_for(fact: Callable[[], object], seconds: float, what: str, every: float = 0.05) -> None:
    """Wait until `fact` is true. Raises TimeoutError naming `what`."""
    until = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(every)
