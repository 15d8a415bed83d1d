"""A writer beside one that is never idle gets its turn at once, in another process too."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quaero.storage.sqlite import connect
from quaero.storage.turnstile import Turnstile

PATIENCE = 30.0  # seconds

BUSY = """
import sys
from pathlib import Path
from quaero.storage.sqlite import connect
from quaero.storage.turnstile import Turnstile
path = Path(sys.argv[1])
db, turnstile = connect(path), Turnstile(path, patience=60)
db.run("pragma synchronous = normal")  # never waits for the disk: as greedy as a writer can be
n = 0
while True:
    with turnstile:
        db.run("begin immediate")
        for _ in range(200):
            n += 1
            db.run("insert into big values(?, zeroblob(200))", (n,))
        db.run("delete from big where n < ?", (n - 2_000,))
        db.run("commit")
    if n == 200:
        print("busy", flush=True)
"""

SMALL = """
import sys
from pathlib import Path
from quaero.storage.sqlite import connect
from quaero.storage.turnstile import Turnstile
path = Path(sys.argv[1])
db, turnstile = connect(path), Turnstile(path, patience=60)
take, before = turnstile._write.take, 0
def turns():
    return db.rows("select max(n) / 200 from big")[0][0]
def second_in_line(until):
    global before
    before = turns()
    return take(until)
turnstile._write.take = second_in_line
for _ in range(50):
    with turnstile:
        db.run("begin immediate")
        print(turns() - before, flush=True)
        db.run("insert into small values(1)")
        db.run("commit")
"""


def program(source: str, path: Path) -> "subprocess.Popen[str]":
    """A process of its own with this source."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", source, str(path)], text=True, env=env, **pipes)


def test_small_writes_beside_a_saturated_writer_are_not_kept_waiting(tmp_path: Path) -> None:
    path = tmp_path / "quaero.db"
    db = connect(path)
    db.run("create table big(n integer primary key, data blob)")
    db.run("create table small(n integer)")
    with program(BUSY, path) as busy:
        try:
            assert busy.stdout is not None
            assert busy.stdout.readline() == "busy\n"
            with program(SMALL, path) as small:
                told, _ = small.communicate(timeout=PATIENCE)
        finally:
            busy.kill()
    turns_of_the_other = [int(line) for line in told.split()]
    assert len(turns_of_the_other) == 50
    assert max(turns_of_the_other) <= 1  # the one that was under way
    db.handle.close()


def test_only_one_is_inside(tmp_path: Path) -> None:
    inside, most = 0, 0
    entered: list[int] = []

    def work(name: int) -> None:
        nonlocal inside, most
        turnstile = Turnstile(tmp_path / "db")
        for _ in range(200):
            with turnstile:
                inside += 1
                most = max(most, inside)
                entered.append(name)
                inside -= 1
        turnstile.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert (most, len(entered)) == (1, 600)


def test_the_second_in_line_holds_the_place_behind_the_first(tmp_path: Path) -> None:
    first, second = Turnstile(tmp_path / "db"), Turnstile(tmp_path / "db")
    looking = os.open(tmp_path / "db.next", os.O_RDWR)
    done = threading.Event()

    def wait() -> None:
        with second:
            done.set()

    with first:
        thread = threading.Thread(target=wait)
        thread.start()
        deadline = time.monotonic() + PATIENCE
        while not is_held(looking) and time.monotonic() < deadline:
            os.sched_yield()
        assert is_held(looking)
        assert not done.is_set()
    assert done.wait(PATIENCE)
    thread.join()
    assert not is_held(looking)
    os.close(looking)


def is_held(handle: int) -> bool:
    """Whether somebody else has the lock of this open file."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(handle, fcntl.LOCK_UN)
    return False


def test_an_error_inside_lets_the_next_one_in(tmp_path: Path) -> None:
    first, second = Turnstile(tmp_path / "db"), Turnstile(tmp_path / "db")
    with pytest.raises(ZeroDivisionError), first:
        raise ZeroDivisionError
    with second:
        pass


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    source = (
        "import sys\nfrom pathlib import Path\nfrom quaero.storage.turnstile import Turnstile\n"
        "with Turnstile(Path(sys.argv[1])):\n    print('in', flush=True)\n    import signal; signal.pause()\n"
    )
    with program(source, tmp_path / "db") as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "in\n"
        holder.kill()
        with Turnstile(tmp_path / "db"):
            pass


HOLDER = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(file, fcntl.LOCK_EX)
print("in", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def stopped(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[str]"]:
    """A process that was stopped while it held one of the locks."""
    with program(HOLDER, tmp_path / f"db.{request.param}") as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "in\n"
        os.kill(holder.pid, signal.SIGSTOP)
        yield holder
        holder.kill()


@pytest.mark.parametrize("stopped", ["next", "write"], indirect=True)
def test_a_stopped_process_that_holds_a_lock_keeps_nobody_out_for_good(
    tmp_path: Path, stopped: "subprocess.Popen[str]"
) -> None:
    turnstile = Turnstile(tmp_path / "db", patience=0.2)

    begun = time.monotonic()
    with turnstile:
        waited = time.monotonic() - begun
    begun = time.monotonic()
    for _ in range(100):
        with turnstile:
            pass
    waited_again = time.monotonic() - begun

    assert 0.2 <= waited < PATIENCE
    assert waited_again < 100 * 0.2 / 2  # the first wait goes on: there is no second one
    turnstile.close()


def test_after_a_wait_in_vain_the_queue_forms_again(tmp_path: Path) -> None:
    holder, waiting = Turnstile(tmp_path / "db"), Turnstile(tmp_path / "db", patience=0.05)
    with holder, waiting:
        pass

    looking = os.open(tmp_path / "db.write", os.O_RDWR)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with waiting:
            if is_held(looking):
                break
    assert time.monotonic() < deadline
    os.close(looking)


def test_a_wait_left_behind_closes_its_file_when_it_is_through(tmp_path: Path) -> None:
    holder, waiting = Turnstile(tmp_path / "db"), Turnstile(tmp_path / "db", patience=0.05)
    open_before = len(os.listdir("/proc/self/fd"))
    with holder, waiting:
        waiting.close()
    deadline = time.monotonic() + PATIENCE
    while len(os.listdir("/proc/self/fd")) > open_before - 2 and time.monotonic() < deadline:
        os.sched_yield()
    assert len(os.listdir("/proc/self/fd")) == open_before - 2
    holder.close()


def test_lock_files_stay_and_are_private(tmp_path: Path) -> None:
    Turnstile(tmp_path / "db").close()
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "db.next": 0o600,
        "db.write": 0o600,
    }
