"""Viewers in a process of their own (`watching.py`), and the cores things run on."""

import json
import os
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
        return self._read()

    def _read(self) -> Mapping[str, float]:
        assert self._child.stdout is not None
        found: Mapping[str, float] = json.loads(self._child.stdout.readline())
        return found


@contextmanager
def audience(port: int, path: str, n: int, place: Path, *, never: int = 0, slow: int = 0) -> Iterator[Audience]:
    """So many viewers of a path, connected; some of them never read, some slowly. They go with the block."""
    command = (sys.executable, "-m", "bench.watching", str(port), path, str(n), str(never), str(slow))
    with process(*command, place=place, stdin=subprocess.PIPE) as child:
        watching = Audience(child)
        watching._read()
        yield watching
