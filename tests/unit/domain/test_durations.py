"""Durations as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.domain.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("150ms", 150_000),
        ("30s", 30_000_000),
        ("4h", 14_400_000_000),
        ("1h30m", 5_400_000_000),
        ("1.5s", 1_500_000),
        ("2d", 172_800_000_000),
        ("7us", 7),
        (" 5 m ", 300_000_000),
        ("0s", 0),
    ],
)
def test_a_number_and_a_unit_are_understood(text: str, micros: int) -> None:
    assert parse_duration(text) == micros


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "5 parsecs", "1h2", "s5", "1e3s", "0x5s", "5S"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration: write a number and a unit"):
        parse_duration(text)


def test_a_timedelta_is_taken_unless_it_is_negative() -> None:
    assert parse_duration(timedelta(minutes=2)) == 120_000_000
    with pytest.raises(ValueError, match="cannot be negative"):
        parse_duration(timedelta(seconds=-1))


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (7, "7us"),
        (150_000, "150ms"),
        (1_500_000, "1.5s"),
        (30_000_000, "30s"),
        (59_960_000, "1m"),
        (1_800_000_000, "30m"),
        (90_000_000, "1m30s"),
        (7_500_000_000, "2h05m"),
        (14_400_000_000, "4h"),
        (3_599_600_000, "1h"),
    ],
)
def test_the_shortest_common_spelling_is_used(micros: int, text: str) -> None:
    assert format_duration(micros) == text


@given(st.integers(0, 10**14))
def test_what_is_printed_can_be_read_and_is_about_the_same(micros: int) -> None:
    read = parse_duration(format_duration(micros))

    assert abs(read - micros) <= max(1_000, micros / 25)
