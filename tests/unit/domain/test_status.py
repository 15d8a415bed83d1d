"""The table of moves, walked pair by pair."""

import itertools

import pytest

from quaero.domain.status import BY_WORD, MOVES, REOPENINGS, STATUSES, TERMINAL, WORDS, JobStatus, may_move

S = JobStatus
PAIRS = list(itertools.product(STATUSES, STATUSES))
LEGAL = {
    (S.PENDING, S.RUNNING),
    (S.PENDING, S.WAITING),
    (S.PENDING, S.CANCELLED),
    (S.RUNNING, S.PENDING),
    (S.RUNNING, S.WAITING),
    (S.RUNNING, S.COMPLETED),
    (S.RUNNING, S.FAILED),
    (S.RUNNING, S.CANCELLED),
    (S.WAITING, S.PENDING),
    (S.WAITING, S.COMPLETED),
    (S.WAITING, S.FAILED),
    (S.WAITING, S.CANCELLED),
}
NEW_ROUND = {
    (S.COMPLETED, S.WAITING),
    (S.FAILED, S.PENDING),
    (S.FAILED, S.WAITING),
    (S.CANCELLED, S.PENDING),
    (S.CANCELLED, S.WAITING),
}


@pytest.mark.parametrize(("before", "after"), PAIRS, ids=lambda status: status.word)
def test_a_job_moves_within_its_round_only_as_the_table_says(before: S, after: S) -> None:
    assert may_move(before, after) == ((before, after) in LEGAL)


@pytest.mark.parametrize(("before", "after"), PAIRS, ids=lambda status: status.word)
def test_only_a_new_round_leaves_a_terminal_status(before: S, after: S) -> None:
    assert may_move(before, after, new_round=True) == ((before, after) in NEW_ROUND)


def test_no_move_leaves_a_terminal_status_within_its_round() -> None:
    assert {status for status in STATUSES if not MOVES[status]} == TERMINAL
    assert set(REOPENINGS) == TERMINAL


def test_every_status_can_be_reached_from_pending() -> None:
    reached = {S.PENDING}
    while more := {after for before in reached for after in MOVES[before]} - reached:
        reached |= more

    assert reached == set(STATUSES)


def test_words_and_numbers_belong_together() -> None:
    assert WORDS == ("pending", "running", "waiting", "completed", "failed", "cancelled")
    assert [BY_WORD[word] for word in WORDS] == list(STATUSES) == list(range(6))
    assert [status for status in STATUSES if status.is_terminal] == sorted(TERMINAL)
