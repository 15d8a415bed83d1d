"""How fast one executor is, by itself: no-op handlers, log lines and spawned children per second.

    python -m bench.executor [--jobs N] [--lines N] [--children N]

A real executor process over a socketpair; this process plays the worker and only decodes what comes. Prints wall
figures and the processor time the executor spent on each item. Both processes share the machine's cores.
"""

import argparse
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from quaero.domain.facts import Ended, Fact, Lines, Spawned
from quaero.engine.protocol import (
    LENGTH,
    Facts,
    Ready,
    Run,
    Setup,
    SpawnAnswer,
    Stop,
    Task,
    decode_from_executor,
    frame,
)

SOURCE = """
import logging
import quaero

app = quaero.App()
log = logging.getLogger(__name__)

@app.job(kind="noop")
async def noop(job):
    pass

@app.job(kind="arguments")
async def arguments(job, url: str, depth: int = 0):
    return {"url": url}

@app.job(kind="one_line")
async def one_line(job):
    job.log.info("done with %s", 1)

@app.job(kind="plain")
def plain(job):
    pass

@app.job(kind="root_log")
async def root_log(job, n: int):
    info = logging.info
    for i in range(n):
        info("line %d of work", i)

@app.job(kind="module_log")
async def module_log(job, n: int):
    for i in range(n):
        log.info("line %d of work", i)

@app.job(kind="job_log")
async def job_log(job, n: int):
    info = job.log.info
    for i in range(n):
        info("line %d of work", i)

@app.job(kind="print")
async def printing(job, n: int):
    for i in range(n):
        print("line", i, "of work")

@app.job(kind="spawn")
async def spawn(job, n: int):
    await job.spawn_many("noop", ({"url": "https://example.org/", "n": i} for i in range(n)))

@app.job(kind="spawn_plain")
def spawn_plain(job, n: int):
    job.spawn_many("noop", ({"url": "https://example.org/", "n": i} for i in range(n))).wait()
"""


class Executor:
    """One executor, driven."""

    def __init__(self, directory: Path) -> None:
        (directory / "application.py").write_text(SOURCE)
        self.sock, theirs = socket.socketpair()
        for end in (self.sock, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        paths = [os.getcwd(), *filter(None, sys.path)]
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "quaero.engine.executor", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            cwd=directory,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )
        theirs.close()
        self.buffer = bytearray()
        self.next_id = 1
        self.sock.sendall(frame(Setup("application")))
        ready = False
        while not ready:
            ready = any(isinstance(message, Ready) for message in self.messages())
        self.start_seconds = time.perf_counter() - began

    def messages(self) -> list[object]:
        """What comes next."""
        select.select([self.sock], [], [])
        self.buffer += self.sock.recv(1 << 20)
        found: list[object] = []
        start = 0
        while len(self.buffer) - start >= 4:
            end = start + 4 + LENGTH.unpack_from(self.buffer, start)[0]
            if end > len(self.buffer):
                break
            found.append(decode_from_executor(bytes(self.buffer[start + 4 : end])))
            start = end
        del self.buffer[:start]
        return found

    def facts(self) -> list[Fact]:
        """The facts that come next; spawns are answered."""
        facts = [fact for message in self.messages() if isinstance(message, Facts) for fact in message.facts]
        for fact in facts:
            if isinstance(fact, Spawned):
                ids = list(range(fact.token + 1, fact.token + 1 + len(fact.children)))
                self.sock.sendall(frame(SpawnAnswer(fact.job_id, fact.epoch, fact.token, ids)))
        return facts

    def tasks(self, kind: str, n: int, payload: bytes) -> Run:
        """`n` tasks in one frame."""
        first, self.next_id = self.next_id, self.next_id + n
        return Run(
            [Task(i, 1, kind, payload, i, None, None, None, 1, 1, 3, 30_000_000) for i in range(first, self.next_id)]
        )

    def drain(self, kind: str, n: int, payload: bytes = b"{}", ahead: int = 1_000) -> tuple[float, float, int, int]:
        """Run `n` tasks, never more than `ahead` at the executor; wall seconds, CPU seconds, lines, children."""
        runs = [frame(self.tasks(kind, min(ahead // 2, n - start), payload)) for start in range(0, n, ahead // 2)]
        runs.reverse()
        cpu, began = self.cpu(), time.perf_counter()
        ended = sent = lines = children = 0
        while ended < n:
            while runs and sent - ended <= ahead // 2:
                self.sock.sendall(runs.pop())
                sent += ahead // 2
            for fact in self.facts():
                if isinstance(fact, Ended):
                    ended += 1
                    if fact.error is not None:
                        sys.exit(f"{kind} failed: {fact.error}")
                elif isinstance(fact, Lines):
                    lines += fact.count
                elif isinstance(fact, Spawned):
                    children += len(fact.children)
        return time.perf_counter() - began, self.cpu() - cpu, lines, children

    def cpu(self) -> float:
        """Processor seconds the executor has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it."""
        self.sock.sendall(frame(Stop()))
        self.process.wait()


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--jobs", type=int, default=200_000)
    options.add_argument("--lines", type=int, default=500_000)
    options.add_argument("--children", type=int, default=500_000)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        executor = Executor(Path(directory))
        print(f"start to ready: {executor.start_seconds * 1e3:.0f} ms")
        executor.drain("noop", 10_000)
        for kind, payload, part in (
            ("noop", b"{}", 1),
            ("arguments", b'{"url":"https://example.org/"}', 1),
            ("one_line", b"{}", 1),
            ("plain", b"{}", 4),
        ):
            n = chosen.jobs // part
            report(f"{kind} jobs", n, *executor.drain(kind, n, payload)[:2])
        for kind in ("root_log", "module_log", "job_log", "print"):
            wall, cpu, lines, _ = executor.drain(kind, 1, b'{"n":%d}' % chosen.lines)
            report(f"{kind} lines", lines, wall, cpu)
        for kind in ("spawn", "spawn_plain"):
            wall, cpu, _, children = executor.drain(kind, 1, b'{"n":%d}' % chosen.children)
            report(f"{kind} children", children, wall, cpu)
        executor.stop()


def report(what: str, n: int, wall: float, cpu: float) -> None:
    """One line of figures."""
    print(f"{what:<22} {n:>9,}   {n / wall:>10,.0f} /s   {cpu / n * 1e6:6.2f} µs of executor CPU each")


if __name__ == "__main__":
    main()
