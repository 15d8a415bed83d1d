"""A worker or gateway of ours in a process of its own, as a measurement sees it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import msgspec

from bench import usage
from bench.lab import process


@dataclass(slots=True)
class Hosted:
    """A running host."""

    child: "subprocess.Popen[bytes]"
    port: int = 0

    @property
    def commits(self) -> int:
        """Commits so far."""
        assert self.child.stdin is not None
        self.child.stdin.write(b"?\n")
        self.child.stdin.flush()
        return int(self._read()["commits"])

    @property
    def cpu(self) -> tuple[float, float]:
        """Processor seconds so far: of the process itself, of what is below it."""
        own, *below = usage.tree(self.child.pid)
        return usage.cpu(own), sum(map(usage.cpu, below))

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the process itself (SIGSTOP) for the length of a block."""
        self.child.send_signal(SIGSTOP)
        try:
            yield
        finally:
            self.child.send_signal(SIGCONT)

    def _read(self) -> Any:
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError("the process under measurement is gone")
        return msgspec.json.decode(line)


@contextmanager
def hosted(role: str, place: Path, *, executors: int = 2, fsync_ms: float = 0) -> Iterator[Hosted]:
    """Start one and wait until it is ready; it is ended with the block."""
    command = (sys.executable, "-m", "bench.host", role, str(place), str(executors), str(fsync_ms))
    with process(*command, place=place, stdin=subprocess.PIPE) as child:
        host = Hosted(child)
        host.port = host._read()["ready"]
        yield host


class Meter:
    """Commits and processor time of a host over a stretch."""

    def __init__(self, host: Hosted) -> None:
        self._host = host
        self._commits = host.commits
        self._cpu = host.cpu
        self._began = time.perf_counter()

    def samples(self, name: str, n: int, seconds: float = 0.0) -> dict[str, float]:
        """Rates by name; `seconds` when they are known better than this clock knows them."""
        seconds = seconds or time.perf_counter() - self._began
        own, below = (now - before for now, before in zip(self._host.cpu, self._cpu, strict=True))
        return {
            name: n / seconds,
            f"{name} commits": (self._host.commits - self._commits) / seconds,
            f"{name} own": own / n * 1e6,
            f"{name} below": below / n * 1e6,
        }
