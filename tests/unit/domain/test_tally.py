"""Counts by status, and the sentence people read."""

from hypothesis import given
from hypothesis import strategies as st

from quaero.domain.status import STATUSES
from quaero.domain.tally import Tally, progress_text

TALLIES = st.builds(Tally, *[st.integers(0, 10**6)] * 6)


def test_the_sentence_is_the_one_that_was_promised() -> None:
    assert progress_text(Tally(66, 1, 0, 41, 0, 7)) == "66 pending, 1 running, 41 completed, 0 failed"


def test_running_includes_waiting_where_people_look() -> None:
    tally = Tally(pending=1, running=2, waiting=3, completed=4, failed=5, cancelled=6)

    assert progress_text(tally) == "1 pending, 5 running, 4 completed, 5 failed"
    assert tally.to_wire() == {"total": 21, "pending": 1, "running": 5, "completed": 4, "failed": 5, "cancelled": 6}


@given(TALLIES)
def test_what_is_open_and_what_is_terminal_make_the_total(tally: Tally) -> None:
    terminal = sum(tally[status] for status in STATUSES if status.is_terminal)

    assert tally.open + terminal == tally.total == sum(tally)


@given(TALLIES)
def test_the_public_form_adds_up(tally: Tally) -> None:
    wire = tally.to_wire()

    assert wire.pop("total") == sum(wire.values())
