"""Cron schedules."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.domain.definitions.schedule import check, explain, next_fire

HOUR = 3_600_000_000


def micros(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * 1_000_000


def test_the_next_fire_is_after_the_moment_given() -> None:
    assert next_fire("0 6 * * *", micros("2026-03-01T05:59:59+00:00")) == micros("2026-03-01T06:00:00+00:00")
    assert next_fire("0 6 * * *", micros("2026-03-01T06:00:00+00:00")) == micros("2026-03-02T06:00:00+00:00")


def test_a_schedule_follows_the_clock_of_its_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")

    assert next_fire("0 6 * * *", micros("2026-07-01T00:00:00+00:00"), berlin) == micros("2026-07-01T04:00:00+00:00")


def test_an_hour_that_repeats_fires_once() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = next_fire("30 2 * * *", micros("2026-10-24T22:30:00+00:00"), berlin)

    second = next_fire("30 2 * * *", first, berlin)

    assert first == micros("2026-10-25T00:30:00+00:00")
    assert second == micros("2026-10-26T01:30:00+00:00")


@given(st.integers(min_value=0, max_value=4 * 10**15))
def test_every_fire_is_a_whole_step_of_its_schedule_and_the_nearest_one(after: int) -> None:
    fire = next_fire("*/5 * * * *", after)

    assert fire > after
    assert fire - after <= HOUR // 12
    assert datetime.fromtimestamp(fire / 1_000_000, UTC).minute % 5 == 0


def test_a_schedule_is_told_in_english() -> None:
    assert explain("*/5 * * * *").startswith("Every fifth minute")
    assert explain("") == ""


@pytest.mark.parametrize(
    "schedule", ["", "@daily", "61 * * * *", "* * * * * *", "0 0 30 2 *", "0 0 31 4 *", "x y z a b"]
)
def test_anything_else_is_refused(schedule: str) -> None:
    with pytest.raises(ValueError, match=r"five fields|cron|never"):
        check(schedule)
