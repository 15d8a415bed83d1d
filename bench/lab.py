"""Where a measurement runs: scratch folders, sizes, and processes that are always ended."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, SIGTERM

from quaero.settings import Settings, load

ROOT = Path(__file__).parent.parent
PYTHONPATH = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
GRACE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Lab:
    """One run of the measurements. `quick`: smaller and fewer, to see that all is well."""

    quick: bool

    def size(self, full: int, quick: int) -> int:
        """How many, depending on how thorough this run is."""
        return quick if self.quick else full


@contextmanager
def folder() -> Iterator[Path]:
    """A scratch folder on the disk (not in memory: commits must cost what they cost)."""
    with tempfile.TemporaryDirectory(prefix="quaero-bench-", dir=os.environ.get("BENCH_DIR")) as name:
        yield Path(name)


def settings_of(place: Path, executors: int = 2) -> Settings:
    """Settings of a store in a folder, or of the one that BENCH_STORE names."""
    flags = {
        "store.url": os.environ.get("BENCH_STORE") or f"sqlite:///{place / 'store.db'}",
        "queue.executors": executors,
        "queue.concurrency": int(os.environ.get("BENCH_CONCURRENCY", "100")),
        "queue.lease": "2m",  # a worker that is stopped for a moment keeps its jobs
        "jobs.definitions_dir": str(place / "definitions"),
        "auth.max_streams": 10_000,
    }
    return load([], environ={}, flags=flags)


@contextmanager
def environ(**values: str) -> Iterator[None]:
    """Variables for the processes started in this block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def process(*command: str, place: Path, stdin: int = subprocess.DEVNULL) -> Iterator["subprocess.Popen[bytes]"]:
    """A child with its output at `stdout`, its complaints in `place`, and the end of it at the end."""
    variables = {**os.environ, "PYTHONPATH": PYTHONPATH}
    with (place / "stderr").open("ab") as complaints:
        child = subprocess.Popen(
            command,
            cwd=place,
            env=variables,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,
        )
    try:
        yield child
        if child.poll() is not None:
            sys.stderr.write((place / "stderr").read_text())
            raise RuntimeError(f"{command[:4]} ended with code {child.returncode} before it was told to")
    finally:
        _end(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        child.send_signal(SIGTERM)
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, SIGKILL)
        child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
