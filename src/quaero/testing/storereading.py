"""The store's contract, third part: every read finds what is there, all of it, and nothing else."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quaero.domain.entries import Entry, Level
from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.storage.port import EntryFilter, Store
from quaero.testing.bench import Bench
from quaero.testing.clock import START, FakeClock
from quaero.testing.contract import StoreTests
from quaero.testing.factories import (
    a_child,
    a_definition,
    a_document,
    a_step,
    an_error,
    ended,
    mixed_lines,
)

OPERATORS = ("crab NOT sea", "crab OR sea", "title:rust", "cra*", "NEAR(crab", '"', "-", "(", "\0", "a\0b", " ")
WORDS = ("Fetched", "parsed", "FAILED", "é")
_said = st.tuples(st.integers(0, 3), st.sampled_from(WORDS))
_talk = st.tuples(st.integers(0, 5), st.integers(0, 9), st.lists(_said, min_size=1, max_size=4))
_commits = st.lists(st.lists(_talk, min_size=1, max_size=4), min_size=1, max_size=8)


@dataclass(frozen=True)
class Question:
    """A filter in terms of positions in a small tree, and where to read from."""

    level: int
    job: int | None
    children: tuple[int, int] | None
    below: bool
    in_step: bool
    q: str | None
    since: int
    after: int
    limit: int
    descending: bool


_questions = st.builds(
    Question,
    level=st.integers(0, 3),
    job=st.none() | st.integers(-1, 5),
    children=st.none() | st.tuples(st.integers(0, 5), st.integers(0, 5)),
    below=st.booleans(),
    in_step=st.booleans(),
    q=st.none() | st.sampled_from(("fetch", "AILE", "É", "status", "nowhere")),
    since=st.sampled_from((0, START, START + 5)),
    after=st.integers(0, 60),
    limit=st.integers(1, 9),
    descending=st.booleans(),
)


@dataclass(frozen=True)
class Small:
    """A tree of a root, one step, three children and two grandchildren, all running."""

    root_id: int
    jobs: list[Job]

    def below(self, job_id: int) -> set[int]:
        """A job and all under it."""
        found = {job_id}
        for job in self.jobs:  # parents come before children
            if job.parent_id in found:
                found.add(job.id)
        return found

    @classmethod
    async def grow(cls, bench: Bench) -> "Small":
        """Make one."""
        root_id, _ = await bench.definition(a_definition(a_step("one")))
        [step] = await bench.hand.take(root_id=root_id)
        await bench.hand.spawn(step, [a_child(payload={"n": n}) for n in range(3)])
        children = await bench.hand.take(root_id=root_id)
        await bench.hand.spawn(children[0], [a_child(payload={"n": n}) for n in range(3, 5)])
        return cls(root_id, [step, *children, *await bench.hand.take(root_id=root_id)])


def wants(entry: Entry, tree: Small, where: EntryFilter) -> bool:
    """Whether a filter lets an entry through, said as plainly as can be."""
    if where.children is not None:
        first, last = where.children
        chosen = [job.id for job in tree.jobs if job.parent_id == where.job_id and first <= job.id <= last]
        if not any(entry.job_id in tree.below(job_id) for job_id in chosen):
            return False
    elif where.job_id is not None:
        scope = tree.below(where.job_id) | {tree.root_id} if where.job_id == tree.root_id else tree.below(where.job_id)
        if entry.job_id not in (scope if where.below else {where.job_id}):
            return False
    in_step = where.step_id is None or entry.step_id == where.step_id
    says = where.q is None or where.q.lower() in entry.message.lower()
    return in_step and says and entry.level >= where.level and entry.at >= where.since


async def followed(store: Store, root_id: int, where: EntryFilter, after: int, limit: int) -> list[Entry]:
    """What a reader gets that goes on from where it stands until it is at the head."""
    found: list[Entry] = []
    while True:
        page = await store.entries(root_id, where, after=after, limit=limit)
        found += page.entries
        if page.scanned_to >= page.head:
            return found
        assert page.scanned_to > after
        after = page.scanned_to


class StoreReading(StoreTests):
    """Entries by position and filter, pages of jobs, documents, error groups."""

    @pytest.fixture
    def small_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Commits are split into many blocks."""
        monkeypatch.setattr("quaero.storage.journalwriter.MAX_BLOCK", 150)

    @pytest.mark.usefixtures("small_blocks")
    @settings(
        max_examples=12,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
            HealthCheck.too_slow,
        ],
        deadline=None,
    )
    @given(commits=_commits, questions=st.lists(_questions, min_size=10, max_size=25))
    async def test_entries_are_those_that_match_each_once_in_order(
        self, commits: list[list[tuple[int, int, list[tuple[int, str]]]]], questions: list[Question]
    ) -> None:
        """Whatever the filter, the position and the direction; a cursor followed to the head misses none."""
        clock = FakeClock()
        with tempfile.TemporaryDirectory() as folder:
            async with self.open_store(Path(folder), clock) as store:
                bench = await Bench.set_up(store, clock)
                tree = await Small.grow(bench)
                for commit in commits:
                    facts = [mixed_lines(tree.jobs[n], said, at=START + at) for n, at, said in commit]
                    assert (await bench.hand.tell(*facts)).stale == []
                every = await bench.entries(tree.root_id)
                head = (await bench.job(tree.root_id)).journal_head
                assert [entry.seq for entry in every] == list(range(1, head + 1))
                for question in questions:
                    await self._asked(store, tree, every, question)

    async def _asked(self, store: Store, tree: Small, every: list[Entry], question: Question) -> None:
        job_id = None if question.job is None else [tree.root_id, *(job.id for job in tree.jobs)][question.job + 1]
        where = EntryFilter(
            level=question.level,
            job_id=job_id,
            children=self._chosen(tree, question) if job_id is not None and question.below else None,
            below=question.below,
            step_id=tree.jobs[0].id if question.in_step else None,
            q=question.q,
            since=question.since,
        )
        after, limit = question.after, question.limit
        matching = [entry for entry in every if wants(entry, tree, where)]
        later = [entry for entry in matching if entry.seq > after]
        earlier = [entry for entry in reversed(matching) if entry.seq < (after or len(every) + 1)]
        expected = (earlier if question.descending else later)[:limit]
        page = await store.entries(tree.root_id, where, after=after, limit=limit, descending=question.descending)
        assert page.entries == expected
        assert page.head == len(every)
        assert await followed(store, tree.root_id, where, after, limit) == later

    @staticmethod
    def _chosen(tree: Small, question: Question) -> tuple[int, int] | None:
        """The first and the last of some jobs of the tree, whoever's children they are."""
        if question.children is None:
            return None
        ids = sorted(tree.jobs[place].id for place in question.children)
        return ids[0], ids[1]

    async def test_entries_of_a_tree_that_is_not_there_are_none(self, bench: Bench) -> None:
        """An empty page, not an error."""
        page = await bench.store.entries(10_000, EntryFilter())
        assert (page.entries, page.head) == ([], 0)

    async def test_documents_are_found_by_their_words(self, bench: Bench) -> None:
        """All words must occur, accents do not matter, and a snippet shows where; best first."""
        job = await bench.running()
        texts = {"Rust": "a crab on a beach", "Café": "crab, crab and crab", "Empty": "nothing here"}
        documents = [a_document(title, text) for title, text in texts.items()]
        await bench.hand.tell(ended(job, documents=documents))
        crabs = await bench.store.documents(q="crab")
        assert [found.title for found in crabs] == ["Café", "Rust"]
        assert all("crab" in found.snippet for found in crabs)
        assert [found.title for found in await bench.store.documents(q="cafe CRAB")] == ["Café"]
        assert await bench.store.documents(q="crab nowhere") == []
        assert await bench.store.documents(q="crab", after=1, limit=1) == crabs[1:]
        assert await bench.store.documents(q="crab", root_id=job.id + 1) == []
        listed = await bench.store.documents(limit=2)
        rest = await bench.store.documents(after=listed[-1].id)
        assert [found.title for found in listed + rest] == list(texts)
        assert (listed[0].text, listed[0].job_id, listed[0].root_id) == ("a crab on a beach", job.id, job.id)

    @pytest.mark.parametrize("q", OPERATORS)
    async def test_search_words_are_never_operators(self, bench: Bench, q: str) -> None:
        """What a person types is looked for as it is: a text that would match them as operators does not."""
        job = await bench.running()
        await bench.hand.tell(ended(job, documents=[a_document("Rust", "a crab on a beach")]))
        assert await bench.store.documents(q=q) == []
        assert len(await bench.store.documents(q="^crab (on)")) == 1  # signs are no words

    async def test_failures_are_grouped_by_what_is_the_same_about_them(self, bench: Bench) -> None:
        """Numbers do not matter; the most frequent comes first, with examples."""
        _, children = await bench.family(4)
        jobs = await bench.hand.take()
        messages = ["odd", "page 1 is gone", "page 22 is gone", "page 3 is gone"]
        errors = [an_error(message, final=True) for message in messages]
        facts = [ended(job, How.FAILED, error=error) for job, error in zip(jobs, errors, strict=True)]
        await bench.hand.tell(*facts)
        groups = await bench.store.errors(children[0])
        assert [(group.count, group.message, group.example_ids) for group in groups] == [
            (3, "page 1 is gone", children[1:]),
            (1, "odd", children[:1]),
        ]
        assert await bench.entries(jobs[0].root_id, level=Level.ERROR, job_id=children[0])
        assert await bench.store.errors(99_999) == []
