"""One executor process and nothing else: the measurement plays its worker, and only decodes what comes."""

import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

from bench import usage
from bench.lab import PYTHONPATH
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


class Executor:
    """One executor, driven."""

    def __init__(self, directory: Path) -> None:
        self.sock, theirs = socket.socketpair()
        for end in (self.sock, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "quaero.engine.executor", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            cwd=directory,
            env={**os.environ, "PYTHONPATH": PYTHONPATH},
            start_new_session=True,
        )
        theirs.close()
        self.buffer = bytearray()
        self.next_id = 1
        self.sock.sendall(frame(Setup("bench.jobs:app")))
        ready = False
        while not ready:
            ready = any(isinstance(message, Ready) for message in self.messages())

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
                        raise RuntimeError(f"{kind} failed: {fact.error}")
                elif isinstance(fact, Lines):
                    lines += fact.count
                elif isinstance(fact, Spawned):
                    children += len(fact.children)
        return time.perf_counter() - began, self.cpu() - cpu, lines, children

    def cpu(self) -> float:
        """Processor seconds the executor has used."""
        return usage.cpu(self.process.pid)

    def stop(self) -> None:
        """End it."""
        self.sock.sendall(frame(Stop()))
        self.process.wait()
