"""The application under test: small handlers, each made to do one thing to the engine."""

import asyncio
import os
import subprocess
import sys
import threading
from typing import Any

from tests.integration import noisy

import quaero

app = quaero.App()
app.include(noisy.app)

FOR_EVER = 600.0


async def _rest() -> None:
    """Wait until somebody interrupts."""
    await asyncio.Event().wait()


async def _pause(seconds: float) -> None:
    """Let others run for a while, also when this task was asked to stop (there `asyncio.timeout` of 3.11.2 errs)."""
    resting = asyncio.ensure_future(_rest())
    await asyncio.wait({resting}, timeout=seconds)
    resting.cancel()


def _stay(seconds: float = FOR_EVER) -> None:
    """Block the thread; only a signal or the time ends it."""
    threading.Event().wait(seconds)


# --- ordinary work


@app.job(kind="add")
async def add(job: quaero.JobContext, a: int = 1, b: int = 1) -> int:
    return a + b


@app.job(kind="add_plain")
def add_plain(job: quaero.JobContext, a: int = 1, b: int = 1) -> dict[str, int]:
    print("in process", os.getpid())
    return {"sum": a + b, "pid": os.getpid()}


@app.job(kind="fails", max_attempts=2)
async def fails(job: quaero.JobContext, message: str = "no luck") -> None:
    raise ValueError(message)


@app.job(kind="third_time_lucky", max_attempts=3)
def third_time_lucky(job: quaero.JobContext) -> int:
    if job.attempt < 3:
        raise RuntimeError(f"attempt {job.attempt}")
    return job.attempt


@app.job(kind="asks_to_wait", max_attempts=2)
async def asks_to_wait(job: quaero.JobContext, after: float) -> str:
    if job.attempt == 1:
        raise quaero.Retry("busy", after=after)
    return "later"


@app.job(kind="gives_up", max_attempts=5)
async def gives_up(job: quaero.JobContext) -> None:
    raise quaero.Fatal("no such page")


@app.job(kind="fails_once_by_hand", max_attempts=1)
async def fails_once_by_hand(job: quaero.JobContext) -> str:
    if job.round == 1:
        raise ValueError("not in the first round")
    return f"round {job.round}"


# --- what takes long


@app.job(kind="rests")
async def rests(job: quaero.JobContext) -> None:
    print("resting")
    await _rest()


@app.job(kind="rests_a_while", timeout="300ms", max_attempts=1)
async def rests_a_while(job: quaero.JobContext) -> None:
    print("resting")
    await _rest()


@app.job(kind="cleans_up", timeout="200ms", max_attempts=1)
async def cleans_up(job: quaero.JobContext) -> None:
    """Takes a good while to leave once its time is up."""
    try:
        await _rest()
    finally:
        await _pause(0.5)
        print("cleaned up")


@app.job(kind="stays_plain")
def stays_plain(job: quaero.JobContext) -> None:
    print("staying in", os.getpid())
    _stay()


@app.job(kind="never_yields", timeout="300ms", max_attempts=1)
async def never_yields(job: quaero.JobContext) -> None:
    _stay()


@app.job(kind="plain_too_long", timeout="2s", max_attempts=1)
def plain_too_long(job: quaero.JobContext) -> None:
    program = subprocess.Popen(["sleep", "600"])
    print("started", program.pid)
    sys.stdout.flush()
    _stay()


@app.job(kind="plain_program", max_attempts=1)
def plain_program(job: quaero.JobContext) -> None:
    subprocess.Popen(["sleep", "600"])
    print("started")
    _stay()


@app.job(kind="looks_around")
def looks_around(job: quaero.JobContext) -> dict[str, Any]:
    """What a program started by a job has open, besides its own three."""
    listed = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, check=True).stdout
    links = [line.rpartition(" -> ")[2] for line in listed.splitlines() if " -> " in line]
    known = ("pipe:", "/dev/null", "/proc/")
    return {"stdin": sys.stdin.read(), "open": [link for link in links if not link.startswith(known)]}


@app.job(kind="polite", max_attempts=1)
async def polite(job: quaero.JobContext) -> str:
    print("waiting to be told")
    await job.cancelled
    print("told")
    return "nobody reads this"


@app.job(kind="ignores_cancel")
async def ignores_cancel(job: quaero.JobContext) -> None:
    print("not listening")
    while True:
        try:
            await _rest()
        except asyncio.CancelledError:
            print("asked, not going")


@app.job(kind="polite_neighbour", max_attempts=1)
async def polite_neighbour(job: quaero.JobContext, seconds: float) -> None:
    await _pause(seconds)


@app.job(kind="until_it_is_there", max_attempts=1)
async def until_it_is_there(job: quaero.JobContext, path: str) -> None:
    print("waiting for a file")
    while not os.path.exists(path):
        await _pause(0.02)


# --- families


@app.job(kind="parent")
async def parent(
    job: quaero.JobContext, n: int, kind: str = "add", wait: bool = False, limit_key: str | None = None
) -> dict[str, Any]:
    handles = job.spawn_many(kind, ({} for _ in range(n)), limit_key=limit_key)
    ids = await handles
    if wait:
        await _rest()
    return {"ids": ids}


@app.job(kind="parent_plain")
def parent_plain(job: quaero.JobContext, n: int, kind: str = "add") -> dict[str, Any]:
    return {"ids": job.spawn_many(kind, ({"a": k, "b": 0} for k in range(n))).wait()}


@app.job(kind="mixed")
async def mixed(job: quaero.JobContext, good: int, bad: int) -> None:
    job.spawn_many("add", ({} for _ in range(good)))
    job.spawn_many("gives_up", ({} for _ in range(bad)))


@app.job(kind="spawns_slowly")
async def spawns_slowly(job: quaero.JobContext, n: int) -> None:
    """Children one by one, each committed before the next."""
    for k in range(n):
        await job.spawn("rests", {}, key=f"child {k}")


@app.job(kind="sees_children")
async def sees_children(job: quaero.JobContext) -> list[dict[str, Any]]:
    for k in range(3):
        job.spawn("add", a=k, b=10)
    seen: list[dict[str, Any]] = []
    while not seen or any(one["status"] != "completed" for one in seen):
        seen = await job.children()
    return [{"kind": one["kind"], "result": one["result"]} for one in seen]


@app.job(kind="sees_children_plain")
def sees_children_plain(job: quaero.JobContext) -> int:
    job.spawn_many("add", [{}, {}])
    return len(job.children())


@app.job(kind="options")
async def options(job: quaero.JobContext) -> dict[str, Any]:
    """Every option of spawn once."""
    first = job.spawn("add", key="one", a=1)
    again = job.spawn("add", key="one", a=1)
    last = job.spawn("add", after=[first], a=5)
    late = job.spawn("add", delay=0.4)
    return {"first": await first, "again": await again, "last": await last, "late": await late}


@app.job(kind="host")
async def host(job: quaero.JobContext, n: int, at_once: int, apart: float) -> None:
    limit = quaero.Limit(f"host {job.id}", at_once=at_once, apart=apart)
    job.spawn_many("takes_its_time", ({} for _ in range(n)), limit_key=limit)


@app.job(kind="takes_its_time")
async def takes_its_time(job: quaero.JobContext) -> None:
    await _pause(0.02)


@app.job(kind="crashing_parent", max_attempts=2)
async def crashing_parent(job: quaero.JobContext) -> list[str | None]:
    ids = await job.spawn_many("add", ({"a": k} for k in range(5)))
    if job.attempt == 1:
        os._exit(3)
    return ids


@app.job(kind="under_step")
async def under_step(job: quaero.JobContext, depth: int = 2) -> None:
    if depth:
        job.spawn("under_step", {"depth": depth - 1}, under="step")
