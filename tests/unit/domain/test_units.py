"""Exact spellings of durations and sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.domain.durations import parse_duration
from quaero.domain.units import parse_size, spell_duration, spell_size


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0s"),
        (150_000, "150ms"),
        (90_000_000, "90s"),
        (1_800_000_000, "30m"),
        (2_592_000_000_000, "30d"),
        (7, "7us"),
    ],
)
def test_a_duration_is_spelled_in_the_largest_unit_that_is_exact(micros: int, text: str) -> None:
    assert spell_duration(micros) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("64KiB", 65_536), ("8 mib", 8 << 20), ("512", 512), ("1.5kb", 1_500), ("1GiB", 1 << 30), ("0", 0)],
)
def test_a_size_is_a_number_and_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1KiB", "8 MiBs", "1 2", "many"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="64KiB"):
        parse_size(text)


@given(st.integers(min_value=0, max_value=10**15))
def test_spelling_and_reading_are_inverse(number: int) -> None:
    assert parse_duration(spell_duration(number)) == number
    assert parse_size(spell_size(number)) == number
