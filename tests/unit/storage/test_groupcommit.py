"""What waits is written together; each gets its own answer, and one that raises harms nobody else."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from quaero.domain.errors import StoreLocked, StoreUnavailable
from quaero.storage.groupcommit import MAX_BATCH, GroupCommit

PATIENCE = 30.0  # seconds


class Book:
    """Keeps what was written: a list, rolled back when the work raised."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.commits: list[int] = []
        self.broken: Exception | None = None

    def rest(self) -> None:
        """Nothing to tidy."""

    def transact(self, work: Callable[[Any], Any]) -> Any:
        draft = list(self.kept)
        answer = work(draft)
        if self.broken:
            raise self.broken
        self.commits.append(len(draft) - len(self.kept))
        self.kept = draft
        return answer


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def commits(book: Book) -> Iterator[GroupCommit]:
    group = GroupCommit(book)
    yield group
    group.close()


class Gate:
    """Holds the writer's thread inside a commit, so that what is submitted meanwhile waits together."""

    def __init__(self, commits: GroupCommit) -> None:
        self.inside, self.open = threading.Event(), threading.Event()
        self.answer = commits.submit(self._wait, (), {})
        assert self.inside.wait(PATIENCE)

    def _wait(self, draft: list[Any]) -> None:
        self.inside.set()
        self.open.wait(PATIENCE)


def put(draft: list[Any], value: Any) -> str:
    draft.append(value)
    return f"put {value}"


def refuse(draft: list[Any], value: Any) -> None:
    draft.append(value)
    raise ValueError(value)


def test_what_waits_is_one_commit_in_order(book: Book, commits: GroupCommit) -> None:
    gate = Gate(commits)
    answers = [commits.submit(put, (n,), {}) for n in range(20)]
    gate.open.set()
    assert [answer.result(PATIENCE) for answer in answers] == [f"put {n}" for n in range(20)]
    assert book.kept == list(range(20))
    assert book.commits == [0, 20]


def test_a_batch_has_a_bound(book: Book, commits: GroupCommit) -> None:
    gate = Gate(commits)
    answers = [commits.submit(put, (n,), {}) for n in range(MAX_BATCH + 5)]
    gate.open.set()
    for answer in answers:
        answer.result(PATIENCE)
    assert book.commits == [0, MAX_BATCH, 5]


def test_a_script_that_raises_harms_no_other(book: Book, commits: GroupCommit) -> None:
    gate = Gate(commits)
    answers = [commits.submit(refuse if n == 3 else put, (n,), {}) for n in range(6)]
    gate.open.set()
    with pytest.raises(ValueError, match="3"):
        answers[3].result(PATIENCE)
    assert [answers[n].result(PATIENCE) for n in (0, 5)] == ["put 0", "put 5"]
    assert book.kept == [0, 1, 2, 4, 5]


def test_a_commit_that_fails_fails_all_of_it_and_the_next_goes_on(book: Book, commits: GroupCommit) -> None:
    gate = Gate(commits)
    book.broken = StoreUnavailable("no disk")
    answers = [commits.submit(put, (n,), {}) for n in range(3)]
    gate.open.set()
    for answer in answers:
        with pytest.raises(StoreUnavailable, match="no disk"):
            answer.result(PATIENCE)
    book.broken = None
    assert commits.submit(put, ("later",), {}).result(PATIENCE) == "put later"
    assert book.kept == ["later"]


def test_what_was_given_up_before_its_turn_is_not_run(book: Book, commits: GroupCommit) -> None:
    gate = Gate(commits)
    given_up, kept = commits.submit(put, (1,), {}), commits.submit(put, (2,), {})
    assert given_up.cancel()
    gate.open.set()
    kept.result(PATIENCE)
    assert book.kept == [2]


def test_arguments_are_handed_on(book: Book, commits: GroupCommit) -> None:
    assert commits.submit(put, (), {"value": 3}).result(PATIENCE) == "put 3"


def test_closing_finishes_what_waits_and_takes_nothing_more(book: Book) -> None:
    commits = GroupCommit(book)
    gate = Gate(commits)
    answers = [commits.submit(put, (n,), {}) for n in range(3)]
    closing = threading.Thread(target=commits.close)
    closing.start()
    gate.open.set()
    closing.join(PATIENCE)
    assert [answer.result(0) for answer in answers] == ["put 0", "put 1", "put 2"]
    with pytest.raises(StoreUnavailable, match="closed"):
        commits.submit(put, (4,), {})
    commits.close()


def test_every_request_is_answered_or_refused_however_it_meets_the_closing(book: Book) -> None:
    for _ in range(30):
        commits = GroupCommit(book)
        taken: list[Future[Any]] = []

        def pour(commits: GroupCommit = commits, taken: "list[Future[Any]]" = taken) -> None:
            try:
                while True:
                    taken.append(commits.submit(put, (1,), {}))
            except StoreUnavailable:
                return

        pourers = [threading.Thread(target=pour) for _ in range(2)]
        for thread in pourers:
            thread.start()
        commits.close()
        for thread in pourers:
            thread.join(PATIENCE)
        assert [answer.result(PATIENCE) for answer in taken] == ["put 1"] * len(taken)


def test_a_locked_store_is_waited_for_once_for_all_that_wait(book: Book, commits: GroupCommit) -> None:
    """Each try takes as long as the patience with the other program: one for the batch, not one for each of it."""
    tries: list[int] = []

    def locked(work: Callable[[Any], Any]) -> Any:
        tries.append(1)
        raise StoreLocked("held by another program")

    gate = Gate(commits)
    answers = [commits.submit(put, (n,), {}) for n in range(6)]
    commits._transactions.transact = locked  # type: ignore[method-assign]
    gate.open.set()
    for answer in answers:
        with pytest.raises(StoreLocked):
            answer.result(PATIENCE)
    assert len(tries) == 1


def test_a_commit_that_hangs_shows(commits: GroupCommit) -> None:
    assert commits.stalled == 0.0
    gate = Gate(commits)
    assert commits.stalled > 0.0
    gate.open.set()
    gate.answer.result(PATIENCE)
    commits.submit(put, (1,), {}).result(PATIENCE)
