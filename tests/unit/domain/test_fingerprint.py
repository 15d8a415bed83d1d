"""Failures that are the same to a person have one fingerprint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.domain.fingerprint import fingerprint, normalise


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timed out after 3 s", "timed out after 41 s"),
        ("GET https://a.example/x?y=1 failed", "GET https://b.example/z failed"),
        ("no such file: '/data/a b.txt'", "no such file: '/data/c.txt'"),
        ('no key "left"', 'no key "right"'),
        ("<object at 0x7f3a12>", "<object at 0xdeadBEEF>"),
        ("job 0f8fad5b-d9cb-469f-a165-70867728950e lost", "job 7c9e6679-7425-40de-944b-e07fc1f90ae7 lost"),
        ("digest 0123456789abcdef differs", "digest fedcba98765432100 differs"),
        ("broke\nat line 3", "broke\nsomewhere else"),
        ("  broke ", "broke"),
    ],
)
def test_what_differs_only_in_numbers_names_and_addresses_is_the_same(one: str, other: str) -> None:
    assert fingerprint("ValueError", one) == fingerprint("ValueError", other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("ValueError", "broke"), ("KeyError", "broke")), (("ValueError", "broke"), ("ValueError", "bent"))],
)
def test_another_type_or_sentence_is_another_failure(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert fingerprint(*one) != fingerprint(*other)


@given(st.text(max_size=400), st.text(max_size=400))
def test_a_fingerprint_is_sixteen_hex_digits_whatever_the_message(kind: str, message: str) -> None:
    print_ = fingerprint(kind, message)

    assert len(print_) == 16
    assert int(print_, 16) >= 0


@given(st.text(max_size=400))
def test_no_digit_is_left_to_tell_two_failures_apart(message: str) -> None:
    assert not any("0" <= letter <= "9" for letter in normalise(message))


def test_a_message_of_any_length_is_looked_at_in_bounded_time() -> None:
    assert normalise("'" * 1_000_000)
    assert len(normalise("x" * 1_000_000)) == 300
