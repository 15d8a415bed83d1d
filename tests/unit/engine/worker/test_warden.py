"""The warden ends the sessions it watches: when the worker is gone, and when its lease ends unrenewed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quaero.engine.worker.warden import end_sessions, members
from quaero.engine.worker.wardship import Wardship

PATIENCE = 20.0
FAMILY = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); sys.stdin.read()"
WORKER = """
import sys
from quaero.engine.worker.wardship import Wardship
wardship = Wardship()
wardship.watch(int(sys.argv[1]))
print("watched", flush=True)
sys.stdin.read()
"""


class Family:
    """A process in a session of its own, with a child."""

    def __init__(self) -> None:
        self.head = subprocess.Popen(
            [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self.head.stdout is not None
        self.child = int(self.head.stdout.readline())

    @property
    def session(self) -> int:
        return self.head.pid

    def is_gone(self) -> bool:
        self.head.poll()
        return not members({self.session})

    def close(self) -> None:
        end_sessions([self.session])
        self.head.wait()
        for pipe in (self.head.stdin, self.head.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def family() -> Iterator[Family]:
    family = Family()
    yield family
    family.close()


@pytest.fixture
def wardship() -> Iterator[Wardship]:
    wardship = Wardship()
    yield wardship
    wardship.close()


def gone(family: Family) -> bool:
    """Wait for the whole family's end."""
    until = time.monotonic() + PATIENCE
    while not family.is_gone() and time.monotonic() < until:
        os.sched_yield()
    return family.is_gone()


def warden_of(pid: int) -> int:
    """The pid of the warden a process has started."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[-1])


def test_a_session_is_the_process_and_all_it_started(family: Family) -> None:
    assert set(members({family.session})) == {family.head.pid, family.child}

    end_sessions([family.session])

    assert gone(family)


def test_what_a_worker_ran_ends_with_it_however_it_ends(family: Family) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(family.session)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"watched\n"

    worker.kill()
    worker.communicate()

    assert gone(family)


def test_a_lease_that_is_not_renewed_ends_what_runs_under_it(family: Family, wardship: Wardship) -> None:
    wardship.watch(family.session)
    wardship.until(time.monotonic() + 0.05)

    assert gone(family)


def test_a_renewed_lease_ends_nothing(family: Family, wardship: Wardship) -> None:
    other = Family()
    wardship.watch(family.session)
    wardship.until(time.monotonic() + PATIENCE)
    wardship.watch(other.session)
    wardship.forget(other.session)

    assert gone(other)
    assert set(members({family.session})) == {family.head.pid, family.child}
    other.close()


def test_a_warden_that_was_killed_is_replaced_and_told_everything(family: Family, wardship: Wardship) -> None:
    wardship.watch(family.session)
    first = warden_of(os.getpid())
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)

    wardship.until(time.monotonic() + PATIENCE)
    second = warden_of(os.getpid())
    wardship.close()

    assert second != first
    assert gone(family)
