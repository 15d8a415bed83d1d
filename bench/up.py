"""`quaero up` as a user starts it, in a scratch folder, on a free port."""

import re
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.lab import process

READY = re.compile(r"ready at http://127\.0\.0\.1:(\d+)/")


@dataclass(slots=True)
class Up:
    """A running Quaero. `seconds` from its start until it had answered the first page."""

    pid: int
    port: int
    seconds: float


@contextmanager
def up(place: Path, *options: str) -> Iterator[Up]:
    """Start it and fetch the page; it is stopped with the block."""
    store = f"sqlite:///{place / 'store.db'}"
    program = str(Path(sys.executable).with_name("quaero"))
    command = (program, "up", "--port", "0", "--workers", "2", "--store", store)
    began = time.perf_counter()
    with process(*command, *options, place=place) as child:
        port = _port(place / "stderr")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
            page.read()
        yield Up(child.pid, port, time.perf_counter() - began)


def _port(complaints: Path) -> int:
    """The port it says it is ready at."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = READY.search(complaints.read_text()) if complaints.exists() else None
        if found is not None:
            return int(found[1])
        time.sleep(0.005)
    raise TimeoutError(f"quaero up did not become ready:\n{complaints.read_text()[-2000:]}")
