"""Texts made fit to be kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.engine.text import clean, cut, fits, pieces, shorten


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain", "plain"),
        ("a\0b", r"a\x00b"),
        ("\udc80", r"\udc80"),
        ("é\ud800\0", r"é\ud800\x00"),
    ],
)
def test_what_no_store_could_hold_is_written_out(text: str, kept: str) -> None:
    assert clean(text) == kept


@given(st.text(), st.integers(4, 40))
def test_pieces_put_together_are_the_text(text: str, limit: int) -> None:
    parts = pieces(clean(text), limit)

    assert "".join(parts) == clean(text)
    assert all(len(part.encode()) <= limit for part in parts)


@given(st.text(st.characters(codec="utf-8")), st.integers(0, 40))
def test_a_cut_text_is_the_longest_start_that_fits(text: str, limit: int) -> None:
    start, is_cut = cut(text, limit)

    assert text.startswith(start)
    assert is_cut == (len(text.encode()) > limit) == (not fits(text, limit))
    assert len(start.encode()) <= limit
    assert not is_cut or len(text[: len(start) + 1].encode()) > limit


@given(st.text(st.characters(codec="utf-8")))
def test_a_shortened_text_keeps_within_its_limit(text: str) -> None:
    short = shorten(text * 20, 200)

    assert short == text * 20 or (len(short.encode()) <= 200 and "characters left out" in short)
