"""The outcome table as pure functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.domain.job import Job
from quaero.domain.outcome import (
    ANY_NUMBER,
    BACKOFF_BASE,
    BACKOFF_CAP,
    Next,
    after_failure,
    backoff,
    closing_status,
    is_over_tolerance,
)
from quaero.domain.status import JobStatus as S


def parent(completed: int = 0, failed: int = 0, cancelled: int = 0, **fields: object) -> Job:
    tallies = [0, 0, 0, completed, failed, cancelled] + [0] * 6
    return Job(1, 1, "work", tallies=tallies, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("job", "status"),
    [
        (Job(1, 1, "leaf"), S.COMPLETED),
        (Job(1, 1, "leaf", own_failed=1), S.FAILED),
        (parent(completed=3), S.COMPLETED),
        (parent(completed=3, failed=1), S.FAILED),
        (parent(completed=3, cancelled=2), S.COMPLETED),
        (parent(cancelled=2), S.CANCELLED),
        (parent(failed=1, cancelled=2), S.FAILED),
        (parent(completed=3, own_failed=1), S.FAILED),
        (parent(completed=3, failed=2, tolerated=2), S.COMPLETED),
        (parent(completed=3, failed=3, tolerated=2), S.FAILED),
        (parent(failed=9, tolerated=ANY_NUMBER), S.COMPLETED),
        (parent(failed=3, tolerated=2, failure_action="mark_warning"), S.COMPLETED),
        (parent(failed=3, tolerated=2, failure_action="continue"), S.FAILED),
        (parent(failed=3, tolerated=2, failure_action="stop_all"), S.FAILED),
        (parent(failed=1, excused=1), S.COMPLETED),
        (parent(completed=1, cancelled=1, reason="tree stopped"), S.CANCELLED),
        (parent(completed=1, failed=1, reason="tree stopped"), S.FAILED),
    ],
)
def test_a_sealed_job_closes_as_the_table_says(job: Job, status: S) -> None:
    assert closing_status(job, under_cancel=False) == status


@pytest.mark.parametrize("job", [Job(1, 1, "leaf"), parent(failed=3), parent(completed=3), parent(own_failed=1)])
def test_under_a_cancel_everything_closes_as_cancelled(job: Job) -> None:
    assert closing_status(job, under_cancel=True) == S.CANCELLED


def test_a_leaf_has_nothing_to_tolerate() -> None:
    assert not is_over_tolerance(Job(1, 1, "leaf"))


@pytest.mark.parametrize(
    ("attempt", "most", "final", "then"),
    [(1, 3, False, Next.RETRY), (3, 3, False, Next.FAIL), (1, 3, True, Next.FAIL), (1, 1, False, Next.FAIL)],
)
def test_a_failed_attempt_is_followed_by_another_while_there_is_one(
    attempt: int, most: int, final: bool, then: Next
) -> None:
    assert after_failure(Job(1, 1, "leaf", attempt=attempt, max_attempts=most), final=final) is then


@given(st.integers(1, 1_000), st.floats(0, 1, exclude_max=True))
def test_back_off_grows_is_spread_and_is_capped(attempt: int, chance: float) -> None:
    delay = backoff(attempt, chance)

    assert 0 <= delay <= min(BACKOFF_CAP, BACKOFF_BASE * 2 ** (attempt - 1))
    assert backoff(attempt, 0.0) == 0


@given(st.integers(1, 30), st.floats(0, 1, exclude_max=True), st.floats(0.001, 10_000))
def test_what_a_handler_asked_for_is_the_least_it_gets(attempt: int, chance: float, seconds: float) -> None:
    assert backoff(attempt, chance, seconds) >= round(seconds * 1_000_000)
