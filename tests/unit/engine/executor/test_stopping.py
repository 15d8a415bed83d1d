"""Asking jobs to stop: cancel, timeout, recall, and the end of the executor itself."""

import signal
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.processes import gone

from quaero.domain.facts import Began, How
from quaero.engine.protocol import Cancel, Stop

Start = Callable[..., Any]

SLEEPERS = """
    @app.job(kind="sleeps")
    async def sleeps(job):
        print("asleep")
        await asyncio.sleep(60)

    @app.job(kind="cleans")
    async def cleans(job):
        print("asleep")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("cleaned", bool(job.cancelled))
            return "a result nobody wants"

    @app.job(kind="awaits")
    async def awaits(job):
        print("asleep")
        await job.cancelled
        print("told")

    @app.job(kind="looks")
    def looks(job):
        print("asleep")
        while not job.cancelled:
            time.sleep(0.001)
        print("told")

    @app.job(kind="waits")
    def waits(job):
        print("asleep")
        assert job.cancelled.wait(30)
        print("told")

    @app.job(kind="breaks")
    async def breaks(job):
        print("asleep")
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("while cleaning")
"""


@pytest.mark.parametrize(
    ("kind", "last"),
    [("sleeps", "asleep"), ("cleans", "cleaned True"), ("awaits", "told"), ("looks", "told"), ("waits", "told"),
     ("breaks", "asleep")],
)  # fmt: skip
def test_a_running_job_that_is_cancelled_ends_as_cancelled_however_it_leaves(
    start: Start, kind: str, last: str
) -> None:
    driver = start(SLEEPERS)
    driver.run(kind)
    driver.until(driver.texts)

    driver.send(Cancel([1]))

    assert (driver.ended().how, driver.ended().result) == (How.CANCELLED, None)
    assert driver.texts()[-1] == last


def test_what_has_not_begun_goes_back_untouched(start: Start) -> None:
    driver = start(SLEEPERS, concurrency=1)
    driver.run_all("sleeps", [{}] * 3)
    driver.until(driver.texts)

    driver.send(Cancel([1, 2], "recall"))

    assert (driver.ended(2).how, driver.ended(2).began_at) == (How.UNTOUCHED, 0)
    driver.send(Cancel([1, 3]))
    assert driver.ended(1).how == How.CANCELLED
    assert driver.ended(3).how == How.UNTOUCHED


def test_what_waits_behind_a_plain_function_goes_back_untouched(start: Start) -> None:
    driver = start(SLEEPERS)
    driver.run_all("looks", [{}] * 2)
    driver.until(driver.texts)

    driver.send(Cancel([2], "recall"))

    assert driver.ended(2).how == How.UNTOUCHED
    driver.send(Cancel([1], "timeout"))
    assert driver.ended(1).how == How.TIMED_OUT


def test_an_async_handler_that_takes_too_long_is_timed_out(start: Start) -> None:
    driver = start(SLEEPERS)

    driver.run("cleans", timeout=50_000)
    driver.run("sleeps", job_id=2, timeout=3_600_000_000)
    driver.run("sleeps", job_id=3, timeout=100_000)

    assert (driver.ended(1).how, driver.ended(1).error.message) == (How.TIMED_OUT, "timed out after 50ms")
    assert driver.ended(3).how == How.TIMED_OUT
    assert driver.texts(1) == ["asleep", "cleaned True"]
    assert not driver.of(type(driver.ended(1)), 2)


def test_cancelling_a_job_that_is_not_here_changes_nothing(start: Start) -> None:
    driver = start(SLEEPERS)

    driver.send(Cancel([99]))
    driver.run("sleeps", timeout=10_000)

    assert driver.ended().how == How.TIMED_OUT


@pytest.mark.parametrize("kind", ["cleans", "looks"])
def test_an_executor_told_to_stop_ends_what_runs_and_hands_back_the_rest(start: Start, kind: str) -> None:
    driver = start(SLEEPERS, concurrency=1)
    driver.run_all(kind, [{}] * 2)
    driver.until(driver.texts)

    driver.send(Stop())

    assert driver.ended(2).how == How.UNTOUCHED
    driver.send(Cancel([1]))
    assert driver.ended(1).how == How.CANCELLED
    assert driver.exit_code() == 0


def test_an_idle_executor_told_to_stop_leaves_at_once(start: Start) -> None:
    driver = start()

    driver.send(Stop())

    assert driver.exit_code() == 0


@pytest.mark.parametrize("kind", ["sleeps", "looks", "parent"])
def test_an_executor_without_its_worker_leaves_with_all_it_started(start: Start, kind: str) -> None:
    driver = start(
        SLEEPERS
        + """
    @app.job(kind="parent")
    def parent(job):
        child = subprocess.Popen(["sleep", "60"])
        print(child.pid)
        child.wait()
    """
    )
    driver.run(kind)
    (text, *_) = driver.until(driver.texts)

    driver.sock.close()

    assert driver.process.wait(30) == -signal.SIGKILL
    if kind == "parent":
        assert gone(int(text))


def test_a_handler_that_never_yields_is_still_told_to_have_begun(start: Start) -> None:
    driver = start("""
        @app.job(kind="hogs")
        async def hogs(job):
            print("on and on")
            while True:
                pass
    """)

    driver.run("hogs")

    assert driver.first_fact(Began)
    assert driver.until(driver.texts) == ["on and on"]
