"""An attempt is dated by its executor, as far as the store's clock allows."""

import pytest

from quaero.domain.facts import Ended
from quaero.domain.job import Job
from quaero.engine.lifecycle.spans import end_of, span_of, start_of

MADE, NOW = 1_000, 2_000


def a_job(run_at: int = 0, started_at: int = 0) -> Job:
    return Job(7, 7, "work", created_at=MADE, run_at=run_at, started_at=started_at)


@pytest.mark.parametrize(
    ("why", "began", "at", "span"),
    [
        ("as told", 1_100, 1_400, (1_100, 1_400)),
        ("told without a start", 0, 1_400, (1_400, 1_400)),
        ("by a clock that is behind: moved, as long as it was", 100, 400, (1_000, 1_300)),
        ("by a clock that is ahead: moved, as long as it was", 9_100, 9_400, (1_700, 2_000)),
        ("longer than there was time for", 100, 9_400, (1_000, 2_000)),
        ("backwards", 1_400, 1_100, (1_400, 1_400)),
    ],
)
def test_a_span_lies_between_the_job_was_free_and_now(why: str, began: int, at: int, span: tuple[int, int]) -> None:
    assert span_of(a_job(), Ended(7, 1, at, began), NOW) == span, why


def test_no_attempt_begins_before_its_job_was_ready() -> None:
    assert start_of(a_job(run_at=1_500), 1_200, NOW) == 1_500
    assert start_of(a_job(), 9_000, NOW) == NOW


@pytest.mark.parametrize(
    ("why", "began", "at", "end"),
    [
        ("as told", 1_100, 1_400, 1_400),
        ("its start was moved on by 400", 700, 1_000, 1_400),
        ("its start was moved back by 4,000", 5_100, 5_400, 1_400),
        ("its start is not told again", 0, 1_600, 1_600),
        ("beyond now", 1_100, 9_000, NOW),
        ("before its start", 1_100, 500, 1_100),
    ],
)
def test_an_end_is_moved_as_its_start_was(why: str, began: int, at: int, end: int) -> None:
    assert end_of(a_job(started_at=1_100), Ended(7, 1, at, began), NOW) == end, why
