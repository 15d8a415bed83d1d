"""Events: a closed family, one tag each, the same bytes back."""

from typing import Any, get_args

import msgspec
import pytest

from quaero.domain import events
from quaero.domain.events import DURABLE, Event, ParentProgress, headline

COMMON: dict[str, Any] = {"job_id": 7, "root_id": 1, "kind": "work", "at": 5}
EXAMPLES: list[tuple[Event, str]] = [
    (events.JobCreated(**COMMON, parent_id=1), "job 7 created"),
    (events.JobStarted(**COMMON, attempt=2, round=1), "job 7 started, attempt 2"),
    (
        events.JobStatusChanged(**COMMON, before="pending", after="running", round=1),
        "job 7 went from pending to running",
    ),
    (events.JobCompleted(**COMMON, round=1, warnings=3), "job 7 completed"),
    (events.JobFailed(**COMMON, round=1, error="it broke", fingerprint="ab"), "job 7 failed: it broke"),
    (events.JobCancelled(**COMMON, round=1), "job 7 cancelled"),
    (events.JobCancelled(**COMMON, round=1, reason="skipped"), "job 7 cancelled: skipped"),
    (events.JobsSpawned(**COMMON, count=12), "job 7 spawned 12"),
    (events.StepFinished(**COMMON, step="crawl", status="failed", round=1), "step crawl failed"),
    (events.ParentProgress(**COMMON, progress_text="1 pending"), "job 7: 1 pending"),
]


def test_there_is_an_example_of_every_event() -> None:
    assert {type(event) for event, _ in EXAMPLES} == set(get_args(Event))


@pytest.mark.parametrize(("event", "line"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_an_event_has_a_line_for_people(event: Event, line: str) -> None:
    assert headline(event) == line


@pytest.mark.parametrize("event", [event for event, _ in EXAMPLES], ids=lambda event: type(event).__name__)
def test_an_event_survives_its_journey(event: Event) -> None:
    for codec in (msgspec.json, msgspec.msgpack):
        assert codec.decode(codec.encode(event), type=Event) == event


def test_all_but_live_progress_is_kept_for_subscribers() -> None:
    assert set(get_args(Event)) - set(DURABLE) == {ParentProgress}


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        EXAMPLES[0][0].at = 6  # type: ignore[misc]
