"""Nothing a job prints can move the cursor, forge a line or talk to the terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.domain.printable import RESET, clean, one_line, without_password

ALLOWED_SGR = re.compile(r"\x1b\[[0-9;]*m")
DANGEROUS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
NASTY = st.lists(
    st.one_of(
        st.text(max_size=5),
        st.sampled_from(
            ["\x1b", "\x1b[", "\x9b", "\x1b]", "\x1b\\", "\x07", "m", "31m", ";", "0", "38;5;", "\x1b[2J", "\x1bP"]
        ),
        st.characters(max_codepoint=0xA0),
    ),
    max_size=30,
).map("".join)


@pytest.mark.parametrize(
    ("dirty", "left"),
    [
        ("plain ünïcode ✓", "plain ünïcode ✓"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]0;owned\x1b\\title", "title"),
        ("\x1b]52;c;aGk=\x07clipboard", "clipboard"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r\x1b\\dcs", "dcs"),
        ("\x9b31mc1", "c1"),
        ("\x9d0;owned\x9cosc", "osc"),
        ("done\rfailed", "donefailed"),
        ("a\x08b\x7fc\x00d", "abcd"),
        ("\x1b(0lqk\x1b(B", "lqk"),
        ("\x1bc reset", " reset"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("a\u2028b", "ab"),
        ("cut \x1b", "cut "),
        ("cut \x1b[", "cut ["),
        ("\x1b\x1b[2J", ""),
    ],
)
def test_control_sequences_go_and_text_stays(dirty: str, left: str) -> None:
    assert clean(dirty) == left


@pytest.mark.parametrize(
    ("dirty", "left"),
    [
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m" + RESET),
        ("\x1b[1;38;5;208;4mx", "\x1b[1;38;5;208;4mx" + RESET),
        ("\x1b[38;2;1;2;3mx", "\x1b[38;2;1;2;3mx" + RESET),
        ("\x1b[8mhidden", "hidden"),
        ("\x1b[31;8;5mx", "\x1b[31mx" + RESET),
        ("\x1b[38;5mx", "x"),
        ("\x1b[38;5;999mx", "x"),
        ("\x1b[?31mx", "x"),
        ("\x1b[mx", "\x1b[0mx" + RESET),
        ("\x1b[31 mx", "x"),
        ("\x1b[2J\x1b[32mx", "\x1b[32mx" + RESET),
    ],
)
def test_on_a_terminal_only_colours_and_weight_survive_and_never_leak(dirty: str, left: str) -> None:
    assert clean(dirty, colours=True) == left


@given(NASTY)
def test_no_text_whatever_leaves_a_control_behind(text: str) -> None:
    assert not DANGEROUS.search(clean(text))
    assert not DANGEROUS.search(ALLOWED_SGR.sub("", clean(text, colours=True)))


@given(NASTY)
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    once = clean(text)

    assert clean(once) == once


def test_one_line_has_no_line_feeds_and_is_cut() -> None:
    assert one_line("a\nb\tc") == "a b c"
    assert one_line("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:s3cret@db/q", "postgresql://ann:•••@db/q"),
        ("postgresql://ann:a/b:c@db/q?sslmode=require", "postgresql://ann:•••@db/q?sslmode=require"),
        ("postgresql://db/q?user=ann&password=s3cret&port=1", "postgresql://db/q?user=ann&password=•••&port=1"),
        ("sqlite:///data/quaero.db", "sqlite:///data/quaero.db"),
    ],
)
def test_the_password_of_a_store_is_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown
