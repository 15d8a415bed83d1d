"""A stream of text cut into lines, whatever the pieces it comes in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.engine.splitter import LineSplitter


def lines_of(*parts: str | bytes, limit: int = 1_000) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    splitter = LineSplitter(lambda line, continued: found.append((line, continued)), limit)
    for part in parts:
        if isinstance(part, bytes):
            splitter.feed_bytes(part)
        else:
            splitter.feed(part)
    splitter.finish()
    return found


@pytest.mark.parametrize(
    ("parts", "lines"),
    [
        (("one\ntwo\n",), ["one", "two"]),
        (("one", "\n", "tw", "o"), ["one", "two"]),
        (("\n\n",), ["", ""]),
        (("a\r\nb\r", "\nc"), ["a", "b", "c"]),
        (("1 %\r2 %\r", "3 %\n"), ["3 %"]),
        (("1 %\r2 %\r",), ["2 %"]),
        (("1 %\r", "2 %"), ["2 %"]),
        ((b"\xc3", b"\xa9\n"), ["é"]),
        ((b"\xff\n", b"\xc3"), [r"\xff", r"\xc3"]),
    ],
)
def test_lines_are_found_across_pieces(parts: tuple[str | bytes, ...], lines: list[str]) -> None:
    assert lines_of(*parts) == [(line, False) for line in lines]


def test_a_long_line_comes_in_parts_that_say_so() -> None:
    assert lines_of("abcdefghij\nk\n", limit=4) == [("abcd", False), ("efgh", True), ("ij", True), ("k", False)]
    assert lines_of("ab", "cdef", "ghij", "\n", limit=4) == [("abcd", False), ("efgh", True), ("ij", True)]
    assert lines_of("ééé", limit=4) == [("éé", False), ("é", True)]


def test_what_is_held_of_an_endless_line_is_bounded() -> None:
    splitter = LineSplitter(lambda line, continued: None, 1_000)

    for _ in range(1_000):
        splitter.feed("x" * 700)

    assert sum(map(len, splitter._parts)) <= 1_700


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))), st.integers(4, 50))
def test_nothing_is_lost_but_what_a_carriage_return_overwrites(parts: list[str], limit: int) -> None:
    text = "".join(parts).replace("\r", "")

    found = lines_of(*(part.replace("\r", "") for part in parts), limit=limit)

    whole = ""
    for line, continued in found:
        assert len(line.encode()) <= limit
        whole += line if continued else "\n" + line
    assert whole[1:] == text.removesuffix("\n")


@given(st.lists(st.text(alphabet="ab\r\n")))
def test_the_pieces_make_no_difference(parts: list[str]) -> None:
    assert lines_of(*parts) == lines_of("".join(parts))
