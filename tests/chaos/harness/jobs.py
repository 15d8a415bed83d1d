"""The application under chaos: trees of three levels, async and plain kinds mixed, some failing by the dice.

Every run marks its begin and its end. What a run does is decided by its payload and attempt alone, so that a run
after a crash does the same again.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.chaos.harness.marks import mark

import quaero

app = quaero.App()
TIMEOUT = os.environ.get("CHAOS_TIMEOUT", "30s")


class Unlucky(Exception):
    """Raised by the dice."""


@contextmanager
def marked(job: quaero.JobContext) -> Iterator[None]:
    """Mark the begin and, however it ends, the end of a run."""
    mark(job, "begin")
    try:
        yield
    except Unlucky:
        mark(job, "fail")
        raise
    except BaseException:
        mark(job, "stop")
        raise
    mark(job, "end")


def throw_dice(job: quaero.JobContext, plan: dict[str, Any]) -> None:
    """Fail with the plan's chance, anew in every attempt and round, the same when one is run again."""
    dice = random.Random(f"{plan['seed']}:{job.id}:{job.round}:{job.attempt}")
    if dice.random() < plan["failing"]:
        raise Unlucky(f"the dice said no to attempt {job.attempt}")


@app.job(kind="top", max_attempts=6, timeout=TIMEOUT)
async def top(job: quaero.JobContext, plan: dict[str, Any]) -> str:
    """Spawn the middle level, half of it keyed, some of it plain."""
    with marked(job):
        for n in range(plan["width"]):
            kind = "middle.plain" if n % 5 == 4 else "middle"
            job.spawn(kind, {"n": n, "plan": plan}, key=f"middle-{n}" if n % 2 else None)
        job.log.info("spawned %d", plan["width"])
        await asyncio.sleep(plan["work"])
        throw_dice(job, plan)
        return "spread"


def leaves(plan: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The children of one middle job: pairs of identical payloads, every tenth plain."""
    for n in range(plan["leaves"]):
        yield "leaf.plain" if n % 10 == 9 else "leaf", {"n": n // 2, "plan": plan}


@app.job(kind="middle", max_attempts=6, timeout=TIMEOUT)
async def middle(job: quaero.JobContext, n: int, plan: dict[str, Any]) -> int:
    """Spawn leaves in two batches with a pause, so that a kill may fall between them."""
    with marked(job):
        spawns = list(leaves(plan))
        half = len(spawns) // 2
        for kind, payload in spawns[:half]:
            job.spawn(kind, payload)
        await job.flush()
        await asyncio.sleep(plan["work"])
        throw_dice(job, plan)
        for kind, payload in spawns[half:]:
            job.spawn(kind, payload)
        return n


@app.job(kind="middle.plain", max_attempts=6, timeout=TIMEOUT)
def middle_plain(job: quaero.JobContext, n: int, plan: dict[str, Any]) -> int:
    """The same in a process of its own."""
    with marked(job):
        for kind, payload in leaves(plan):
            job.spawn(kind, payload)
        time.sleep(plan["work"] / 5)
        throw_dice(job, plan)
        return n


@app.job(kind="leaf", timeout=TIMEOUT)
async def leaf(job: quaero.JobContext, n: int, plan: dict[str, Any]) -> int:
    """Wait a little, log, succeed or not."""
    with marked(job):
        job.log.info("leaf %d", n)
        job.progress(1, 2)
        await asyncio.sleep(plan["work"])
        throw_dice(job, plan)
        job.count("leaves")
        return n


@app.job(kind="leaf.plain", timeout=TIMEOUT)
def leaf_plain(job: quaero.JobContext, n: int, plan: dict[str, Any]) -> int:
    """The same in a process of its own."""
    with marked(job):
        print("plain leaf", n)
        time.sleep(plan["work"] / 5)
        throw_dice(job, plan)
        return n


@app.job(kind="nap", max_attempts=5)
async def nap(job: quaero.JobContext, seconds: float) -> None:
    """Sleep."""
    with marked(job):
        await asyncio.sleep(seconds)


@app.job(kind="nap.plain", max_attempts=5)
def nap_plain(job: quaero.JobContext, seconds: float) -> None:
    """Sleep in a process of its own, heedless of being asked to stop."""
    with marked(job):
        time.sleep(seconds)


@app.job(kind="chatter", timeout=TIMEOUT)
async def chatter(job: quaero.JobContext, seconds: float) -> None:
    """Log, progress and spawn without pause."""
    with marked(job):
        until = time.monotonic() + seconds
        n = 0
        while time.monotonic() < until:
            n += 1
            job.log.info("line %d", n)
            job.progress(n)
            if n % 50 == 0:
                job.spawn("nap", {"seconds": 0.0}, key=f"nap-{n}")
            await asyncio.sleep(0.005)


@app.job(kind="poison")
async def poison(job: quaero.JobContext) -> None:
    """Take the process down, with all that run beside it."""
    mark(job, "begin")
    os.kill(os.getpid(), signal.SIGKILL)


@app.job(kind="poison.plain")
def poison_plain(job: quaero.JobContext) -> None:
    """The same in a process of its own."""
    mark(job, "begin")
    os.kill(os.getpid(), signal.SIGKILL)


@app.job(kind="programs")
def programs(job: quaero.JobContext, seconds: float, levels: int = 2) -> None:
    """Start a program that starts a program, and wait for it: what must not outlive us."""
    with marked(job):
        subprocess.run([sys.executable, "-c", NESTED, str(seconds), str(levels)], check=True, env=dict(os.environ))


NESTED = """
import subprocess, sys, time
seconds, levels = float(sys.argv[1]), int(sys.argv[2])
if levels > 1:
    subprocess.Popen([sys.executable, "-c", sys.orig_argv[2], str(seconds), str(levels - 1)])
time.sleep(seconds)
"""
