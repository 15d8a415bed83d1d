"""The generator: trees that take the same course every time."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from quaero.domain.facts import Began, Ended, How, Progressed, Spawned
from quaero.engine.protocol import SpawnAnswer

Start = Callable[..., Any]


def answered(driver: Any, job_id: int = 1) -> Ended:
    """Answer one job's spawn and wait for its end."""
    spawned = driver.first_fact(Spawned, job_id)
    ids = list(range(100, 100 + len(spawned.children)))
    driver.send(SpawnAnswer(job_id, 1, spawned.token, ids))
    end: Ended = driver.ended(job_id)
    return end


def test_it_spawns_its_workers_with_their_share(start: Start) -> None:
    driver = start(app=None)

    driver.run("generator", {"worker_count": 3, "log_count": 5, "child_count": 2, "recursion_depth": 2})
    end = answered(driver)

    assert end.result == b'{"workers":3}'
    assert [child.kind for child in driver.children()] == ["generator"] * 3
    payload = msgspec.json.decode(driver.children()[0].payload)
    assert (payload["log_count"], payload["child_count"], payload["recursion_depth"]) == (5, 2, 2)
    assert "worker_count" not in payload


def test_a_worker_logs_and_spawns_a_level_less(start: Start) -> None:
    driver = start(app=None)

    driver.run("generator", {"log_count": 500, "child_count": 2, "recursion_depth": 1})
    end = answered(driver)

    assert end.result == b'{"lines":500,"children":2}'
    assert len(driver.texts()) == 500
    assert {line.level for line in driver.lines()} == {0, 1, 2, 3}
    assert [msgspec.json.decode(child.payload)["recursion_depth"] for child in driver.children()] == [0, 0]
    assert [fact.counts for fact in driver.of(Progressed)] == [{"generated_lines": 500}]


def test_the_last_level_has_no_children(start: Start) -> None:
    driver = start(app=None)

    driver.run("generator", {"log_count": 1, "child_count": 5, "recursion_depth": 0})

    assert driver.ended().result == b'{"lines":1,"children":0}'


def test_what_fails_depends_on_the_job_and_its_attempt_alone(start: Start) -> None:
    driver = start(app=None)
    payload = {"log_count": 0, "failure_rate": 0.5}

    for job_id in driver.run_all("generator", [payload] * 40):
        driver.ended(job_id)
    again = start(app=None)
    for job_id in again.run_all("generator", [payload] * 40):
        again.ended(job_id)

    course = [driver.ended(n).how for n in range(1, 41)]
    assert course == [again.ended(n).how for n in range(1, 41)]
    assert 8 < course.count(How.FAILED) < 32


def test_work_is_time_on_the_processor(start: Start) -> None:
    driver = start(app=None)

    driver.run("generator", {"log_count": 0, "work_ms": 50})

    assert driver.ended().at - driver.ended().began_at >= 50_000


def test_lines_are_as_far_apart_as_asked_and_move_the_progress(start: Start) -> None:
    driver = start(app=None)

    driver.run("generator", {"log_count": 4, "log_delay_ms": 20})
    end = driver.ended()

    assert end.at - end.began_at >= 80_000
    assert driver.first_fact(Began)
    assert (driver.of(Progressed)[-1].current, driver.of(Progressed)[-1].total) == (4, 4)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"failure_rate": 2}, "argument 'failure_rate' of generate is wrong: expected float <= 1"),
        ({"worker_count": -1}, "argument 'worker_count' of generate is wrong: expected int >= 0"),
        ({"workers": 3}, "argument 'workers' of generate is not one it takes"),
    ],
)
def test_a_bad_payload_is_told(start: Start, payload: dict[str, Any], words: str) -> None:
    driver = start(app=None)

    driver.run("generator", payload)

    assert words in driver.ended().error.message
