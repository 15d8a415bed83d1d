"""Marks: what handlers really did, in a file that survives whatever happens to them.

One line per fact, appended with a single `write`: `job round attempt epoch pid phase moment`. The moment is the
machine's monotonic clock in nanoseconds, the same for all processes.
"""

import os
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from quaero.engine.context import JobContext

VARIABLE = "CHAOS_MARKS"
ENDED = ("end", "fail", "stop")

_descriptors: dict[str, int] = {}


def mark(job: JobContext, phase: str) -> None:
    """Write one mark: `begin`, or `end` (returned), `fail` (raised on purpose), `stop` (was stopped)."""
    path = os.environ[VARIABLE]
    descriptor = _descriptors.get(path)
    if descriptor is None:
        descriptor = _descriptors[path] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    task = job._task
    line = f"{task.job_id} {task.round} {task.attempt} {task.epoch} {os.getpid()} {phase} {time.monotonic_ns()}\n"
    os.write(descriptor, line.encode())


@dataclass(slots=True)
class Try:
    """One run of a handler: one reservation of a job. Moments are nanoseconds; 0: never seen."""

    job_id: int
    epoch: int
    round: int
    attempt: int
    pid: int
    began: int = 0
    ended: int = 0
    how: str = ""


@dataclass(slots=True)
class Marks:
    """Everything handlers wrote: the tries of each job, in the order of their epochs."""

    tries: dict[int, list[Try]] = field(default_factory=dict)

    def of(self, job_id: int, epoch: int) -> Try | None:
        """The run of a job under one epoch."""
        return next((one for one in self.tries.get(job_id, ()) if one.epoch == epoch), None)

    def count(self) -> int:
        """How many times a handler began."""
        return sum(len(tries) for tries in self.tries.values())


def read_marks(path: Path) -> Marks:
    """All marks of a run. Raises ValueError for a line that no handler wrote."""
    found: dict[tuple[int, int], Try] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        job_id, round_, attempt, epoch, pid, phase, moment = line.split()
        one = found.setdefault(
            (int(job_id), int(epoch)), Try(int(job_id), int(epoch), int(round_), int(attempt), int(pid))
        )
        if phase == "begin":
            if one.began:
                raise ValueError(f"job {job_id} began twice under epoch {epoch}")
            one.began = int(moment)
        elif phase in ENDED:
            one.ended, one.how = int(moment), phase
        else:
            raise ValueError(f"no phase of ours: {line}")
    tries: dict[int, list[Try]] = defaultdict(list)
    for one in sorted(found.values(), key=lambda one: one.epoch):
        tries[one.job_id].append(one)
    return Marks(dict(tries))
