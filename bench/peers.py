"""The peers, driven as their manuals say, both measured from the first job run to the last, workers on a full queue."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import probe
from bench.figures import Samples
from bench.lab import PYTHONPATH, Lab, environ, folder, process

PATIENCE_SECONDS = 120


def celery_drain(lab: Lab) -> Samples:
    """Celery with Redis (Debian's defaults: snapshots, no log) and two prefork processes."""
    server = shutil.which("redis-server")
    if server is None or importlib.util.find_spec("celery") is None:
        return {}
    with folder() as place, _redis(server, place):
        # what its manual says to switch off when every message counts
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING")
        worker = ("-m", "celery", "-A", "bench.celery_jobs", "worker", "-c", "2", "-P", "prefork", *quiet)
        return _measure("celery", "bench.celery_jobs", lab.size(20_000, 4_000), worker, place)


def huey_drain(lab: Lab) -> Samples:
    """Huey on SQLite, waiting for the disk, and two worker processes."""
    if importlib.util.find_spec("huey") is None:
        return {}
    with folder() as place, environ(BENCH_HUEY=str(place / "huey.db")):
        program = ("-m", "huey.bin.huey_consumer", "bench.huey_jobs.huey")
        worker = (*program, "-w", "2", "-k", "process", "-q", "-d", "0.01", "-m", "0.1")
        return _measure("huey", "bench.huey_jobs", lab.size(50_000, 10_000), worker, place)


def _measure(name: str, module: str, n: int, worker: tuple[str, ...], place: Path) -> Samples:
    probe.create(place / "probe")
    with environ(BENCH_PROBE=str(place / "probe")):
        command = [sys.executable, "-m", "bench.sending", module, str(n)]
        variables = {**os.environ, "PYTHONPATH": PYTHONPATH}
        sent = float(subprocess.run(command, cwd=place, env=variables, check=True, capture_output=True).stdout)
        with process(sys.executable, *worker, place=place):
            seconds = drained(place / "probe", n + 1)
    return {f"{name} drain": n / seconds, f"{name} enqueue": n / sent}


def drained(path: Path, n: int) -> float:
    """Wait until a peer has run `n` jobs; seconds from the first to the last."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        done, seconds = probe.read(path)
        if done >= n:
            return seconds
        if time.monotonic() > until:
            raise TimeoutError(f"a peer has run {done} of {n} jobs in {PATIENCE_SECONDS} s")
        time.sleep(0.02)


@contextmanager
def _redis(server: str, place: Path) -> Iterator[None]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with process(server, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(place), place=place):
        _await_port(port)
        with environ(BENCH_REDIS=f"redis://127.0.0.1:{port}/0"):
            yield


def _await_port(port: int) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
