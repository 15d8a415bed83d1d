"""The machine a run happened on, and how busy it was with other things: without that no figure means anything."""

import os
import platform
import statistics
import tempfile
import time

State = dict[str, float | str]
SYNCS, SPINS = 200, 7


def state() -> State:
    """Its software, its load, how long an fsync takes, how long a fixed piece of Python takes."""
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "fsync_ms": statistics.median(_sync_ms()),
        "spin_ms": min(_spin_ms() for _ in range(SPINS)),
    }


def told(of: State) -> str:
    """One line for people."""
    return (
        f"Python {of['python']}, Linux {of['kernel']}, {of['cores']} cores, load {of['load']:.1f}, "
        f"fsync {of['fsync_ms']:.2f} ms, a fixed loop of Python {of['spin_ms']:.2f} ms"
    )


def _sync_ms() -> list[float]:
    times = []
    with tempfile.TemporaryFile(dir=os.environ.get("BENCH_DIR")) as file:
        for _ in range(SYNCS):
            file.write(bytes(8192))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1e3)
    return times


def _spin_ms() -> float:
    began = time.perf_counter()
    sum(i * i & 7 for i in range(60_000))
    return (time.perf_counter() - began) * 1e3
