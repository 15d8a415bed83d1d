"""Viewers in processes of their own (`watching.py`), and the cores things run on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.lab import process

CORES = sorted(os.sched_getaffinity(0))
WORK, WATCH = {CORES[0]}, {CORES[-1]}  # workers on the one, everything that watches on the other


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """What is started within the block runs on these cores, and so does this process meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Audience:
    """Many viewers."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child

    def counted(self) -> Mapping[str, float]:
        """What they got since they were last asked."""
        assert self._child.stdin is not None
        self._child.stdin.write(b"?\n")
        self._child.stdin.flush()
        return self.read()

    def read(self) -> Mapping[str, float]:
        """The next thing they say."""
        assert self._child.stdout is not None
        found: Mapping[str, float] = json.loads(self._child.stdout.readline())
        return found

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop their process (SIGSTOP) for the length of a block."""
        self._child.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._child.send_signal(signal.SIGCONT)


@contextmanager
def audience(
    port: int, path: str, n: int, place: Path, *, never: int = 0, slow: int = 0, says: str = ""
) -> Iterator[Audience]:
    """So many viewers of a path, connected; some of them never read, some slowly. They go with the block.

    With `says` they are clients of a WebSocket that say this one thing.
    """
    command = (sys.executable, "-m", "bench.watching", str(port), path, str(n), str(never), str(slow), says)
    with process(*command, place=place, stdin=subprocess.PIPE) as child:
        watching = Audience(child)
        watching.read()
        yield watching


@contextmanager
def public(port: int, path: str, n: int, place: Path) -> Iterator[Audience]:
    """So many viewers as they are: a tenth in a process that was stopped, a tenth on 32 KB a second."""
    tenth = n // 10
    with (
        audience(port, path, n - tenth, place, slow=tenth) as healthy,
        audience(port, path, tenth, place, never=tenth) as stopped,
        stopped.stopped(),
    ):
        yield healthy
