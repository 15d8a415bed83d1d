"""The store's contract, fourth part: lists of jobs hold every job that matches, once, however they are cut."""

from dataclasses import replace
from typing import Any

import pytest

from quaero.domain.facts import How
from quaero.domain.status import JobStatus
from quaero.domain.tally import Tally
from quaero.storage.port import JobFilter, Ledger, Matches
from quaero.testing.bench import Bench
from quaero.testing.contract import StoreTests
from quaero.testing.factories import a_child, a_root, an_error, began, ended


def _matching(ledger: Ledger, where: JobFilter, after: int, upto: int) -> Matches:
    return ledger.find.matching(where, after=after, upto=upto, limit=2)


class StoreListing(StoreTests):
    """Lists, counts, maps of children."""

    @pytest.mark.parametrize("descending", [True, False])
    async def test_pages_of_jobs_hold_every_job_once(self, bench: Bench, descending: bool) -> None:
        """By id, however many fit on a page; the total does not depend on the page."""
        parent, children = await bench.family(7)
        where = JobFilter(parent_id=parent.id, descending=descending)
        found: list[int] = []
        after: int | None = None
        while True:
            page = await bench.store.jobs(where, limit=3, after=after)
            found += [job.id for job in page.jobs]
            assert (page.total, page.total_is_lower_bound) == (7, False)
            after = page.next_after
            if after is None:
                break
        assert found == (children[::-1] if descending else children)

    async def test_filters_of_jobs_agree_with_brute_force(self, bench: Bench) -> None:
        """Each filter alone, and what it counts."""
        tagged = await bench.root(a_root(name="Ärger 100%", tags=("red", "blue"), key="K1"))
        await bench.root(a_root("other", tags=("blueish",)))
        bench.clock.move(1.0)
        later = bench.clock.now()
        parent, children = await bench.family(4)
        taken = await bench.hand.take(2, root_id=parent.id)
        await bench.hand.tell(ended(taken[0]), ended(taken[1], How.FAILED, error=an_error("no 7", final=True)))
        ids = [row[0] for row in await bench.store.rows("select id from job where id > 0 order by id")]
        every = await bench.store.jobs_by_id(ids)
        [group] = await bench.store.errors(parent.id)
        done = (JobStatus.COMPLETED, JobStatus.FAILED)
        cases: list[tuple[JobFilter, Any]] = [
            (JobFilter(roots=True), lambda job: job.parent_id is None),
            (JobFilter(root_id=parent.id), lambda job: job.root_id == parent.id),
            (JobFilter(parent_id=parent.id, statuses=done), lambda job: job.parent_id and job.status in done),
            (JobFilter(statuses=(JobStatus.RUNNING,)), lambda job: job.status == JobStatus.RUNNING),
            (JobFilter(kind="other"), lambda job: job.kind == "other"),
            (JobFilter(roots=True, other_than="other"), lambda job: job.parent_id is None and job.kind != "other"),
            (JobFilter(ids=(children[0], tagged, 99_999)), lambda job: job.id in (children[0], tagged)),
            (JobFilter(ids=(children[0], tagged), roots=True), lambda job: job.id == tagged),
            (JobFilter(ids=(children[0], tagged), parent_id=parent.id), lambda job: job.id == children[0]),
            (JobFilter(parent_id=parent.id, children=(children[1], 99_999)), lambda job: job.id in children[1:]),
            (
                JobFilter(parent_id=parent.id, children=(children[0], children[1]), statuses=done),
                lambda job: job.id in (taken[0].id, taken[1].id),
            ),
            (JobFilter(created_after=later), lambda job: job.created_at >= later),
            (JobFilter(roots=True, created_before=later), lambda job: not job.parent_id and job.created_at < later),
            (JobFilter(tag="blue"), lambda job: job.id == tagged),
            (JobFilter(q="k1"), lambda job: job.id == tagged),
            *((JobFilter(q=q), lambda job: job.id == tagged) for q in ("Ärger", "ärger", "ÄRGER")),
            (JobFilter(q="100%"), lambda job: job.id == tagged),
            (JobFilter(q="1_0"), lambda job: False),
            (JobFilter(q=str(children[3])), lambda job: job.id == children[3]),
            (JobFilter(q="9" * 40), lambda job: False),
            (JobFilter(fingerprint=group.fingerprint), lambda job: job.id == taken[1].id),
        ]
        assert {bool(job.created_at >= later) for job in every} == {True, False}
        for where, expected in cases:
            page = await bench.store.jobs(where)
            assert [job.id for job in page.jobs] == [job.id for job in reversed(every) if expected(job)], where
            assert (page.total, page.total_is_lower_bound) == (len(page.jobs), False), where

    async def test_zero_characters_in_tags_and_errors_hide_nothing(self, bench: Bench) -> None:
        """No database's text holds them, and what one job says must not break a list of others."""
        tagged = await bench.root(a_root(tags=("a\0b", "red")))
        parent, children = await bench.family(2)
        taken = await bench.hand.take(2, root_id=parent.id)
        failures = [ended(job, How.FAILED, error=an_error(f"{n}\0", final=True)) for n, job in enumerate(taken)]
        await bench.hand.tell(*failures)
        [group] = await bench.store.errors(parent.id)
        by_tag = await bench.store.jobs(JobFilter(tag="red"))
        by_fingerprint = await bench.store.jobs(JobFilter(fingerprint=group.fingerprint, descending=False))
        by_error = await bench.store.child_map(parent.id, "error")
        assert [job.id for job in by_tag.jobs] == [tagged]
        assert [job.id for job in by_fingerprint.jobs] == children
        assert by_error is not None
        assert by_error.codes == b"\1\1"

    async def test_a_total_beyond_the_limit_is_a_lower_bound(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """But a parent's children are counted exactly, from its tally."""
        monkeypatch.setattr("quaero.storage.joblists.COUNT_LIMIT", 5)
        parent, _ = await bench.family(6)
        exact = await bench.store.jobs(JobFilter(parent_id=parent.id), limit=2)
        of_status = await bench.store.jobs(JobFilter(parent_id=parent.id, statuses=(JobStatus.PENDING,)), limit=2)
        bound = await bench.store.jobs(JobFilter(root_id=parent.id), limit=2)
        at_it = await bench.store.jobs(JobFilter(root_id=parent.id, kind="nowhere"), limit=2)
        assert [(p.total, p.total_is_lower_bound) for p in (exact, of_status, bound, at_it)] == [
            (6, False),
            (6, False),
            (5, True),
            (0, False),
        ]

    @pytest.mark.parametrize("descending", [True, False])
    async def test_a_filter_looks_only_so_far_and_says_where_to_go_on(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, descending: bool
    ) -> None:
        """A page may be short and not the last; whoever goes on finds every match once."""
        monkeypatch.setattr("quaero.storage.joblists.REACH", 3)
        roots = [await bench.root(a_root(tags=("rare",) if n % 5 == 0 else ())) for n in range(11)]
        where = JobFilter(roots=True, tag="rare", descending=descending)
        found: list[int] = []
        sizes: list[int] = []
        after: int | None = None
        while True:
            page = await bench.store.jobs(where, limit=2, after=after)
            assert page.total_is_lower_bound
            found += [job.id for job in page.jobs]
            sizes.append(len(page.jobs))
            after = page.next_after
            if after is None:
                break
        rare = [roots[0], roots[5], roots[10]]
        assert found == (rare[::-1] if descending else rare)
        assert 0 in sizes

    async def test_scripts_find_what_matches_a_part_at_a_time(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In order of id, up to a last one, also where most do not match."""
        monkeypatch.setattr("quaero.storage.joblists.REACH", 4)
        roots = [await bench.root(a_root("other" if n % 3 else "work")) for n in range(14)]
        where = JobFilter(roots=True, kind="work", descending=False)
        found: list[int] = []
        after = 0
        while True:
            part = await bench.store.write(_matching, where, after, roots[12])
            found += part.ids
            if part.goes_on is None:
                break
            after = part.goes_on
        assert found == [roots[n] for n in (0, 3, 6, 9, 12)]

    async def test_what_matches_is_counted_by_status_with_what_is_below(self, bench: Bench) -> None:
        """So that one can say beforehand what an action would touch."""
        await bench.family(3)
        await bench.root()
        counted = await bench.store.breakdown(JobFilter(roots=True))
        assert counted.counts == Tally(pending=1, running=1)
        assert counted.below[JobStatus.RUNNING] == Tally(pending=3)
        assert not counted.is_lower_bound

    async def test_what_is_below_children_that_spawned_is_counted_at_any_depth(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only roots and steps have a tally of it, yet it goes with them; a count that was cut short says so."""
        parent, children = await bench.family(3)
        top, other = await bench.hand.take(2, root_id=parent.id)
        await bench.hand.begin(top, other)
        await bench.hand.spawn(top, [a_child(payload={"n": n}) for n in range(3)])
        [_, deep, _] = await bench.hand.take(3, root_id=parent.id)
        await bench.hand.begin(deep)
        await bench.hand.spawn(deep, [a_child(payload={"deep": n}) for n in range(2)])
        await bench.hand.end(top)
        where = JobFilter(parent_id=parent.id, children=(children[0], children[-1]))
        whole = await bench.store.breakdown(where)
        monkeypatch.setattr("quaero.storage.joblists.REACH", 3)
        part = await bench.store.breakdown(where)

        assert whole.counts == Tally(pending=1, running=1, waiting=1)
        tallies = {status: tally for status, tally in whole.below.items() if tally.total}
        assert tallies == {int(JobStatus.WAITING): Tally(pending=4, running=1)}
        assert not whole.is_below_lower_bound
        assert (part.below[JobStatus.WAITING].total, part.is_below_lower_bound) == (3, True)
        assert (part.counts, part.is_lower_bound) == (whole.counts, False)

    async def test_a_range_of_children_is_counted_whole_however_long(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """For it was chosen with the eyes, and what is about to happen to it must be told exactly."""
        monkeypatch.setattr("quaero.storage.joblists.COUNT_LIMIT", 2)
        monkeypatch.setattr("quaero.storage.joblists.REACH", 3)
        parent, children = await bench.family(8)
        [first] = await bench.hand.take(1, root_id=parent.id)
        await bench.hand.end(first)
        where = JobFilter(parent_id=parent.id, children=(children[0], children[6]))
        whole = await bench.store.breakdown(where)
        open_ones = await bench.store.breakdown(replace(where, statuses=(JobStatus.PENDING,)))
        of_a_kind = await bench.store.breakdown(replace(where, kind="other"))
        assert (whole.counts, whole.is_lower_bound) == (Tally(pending=6, completed=1), False)
        assert (open_ones.counts, open_ones.is_lower_bound) == (Tally(pending=6), False)
        assert of_a_kind.is_lower_bound
        part = await bench.store.write(_matching, replace(where, descending=False), children[4], children[7])
        assert (part.ids, part.goes_on) == ([children[5], children[6]], children[6])

    async def test_a_map_has_a_code_for_every_child_at_the_head_of_the_journal(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In order of id, in whatever chunks it was read, with ids that do not follow each other."""
        monkeypatch.setattr("quaero.storage.childmap.CHUNK", 3)
        parent, children = await bench.family(4)
        await bench.root()
        children += await bench.hand.spawn(parent, [a_child(payload={"late": n}) for n in range(3)])
        taken = await bench.hand.take(3, root_id=parent.id)
        facts = [ended(taken[0]), ended(taken[1], How.FAILED, error=an_error("no", final=True))]
        await bench.hand.tell(*facts)
        await bench.hand.begin(taken[2])

        by_status = await bench.store.child_map(parent.id, "status")
        by_error = await bench.store.child_map(parent.id, "error")
        by_duration = await bench.store.child_map(parent.id, "duration")

        assert by_status is not None
        assert by_error is not None
        assert by_duration is not None
        now = {job.id: job.status for job in await bench.store.jobs_by_id(children)}
        ids = [first + n for first, many in by_status.runs for n in range(many)]
        assert dict(zip(ids, by_status.codes, strict=True)) == now
        assert len(by_status.runs) == 2
        assert by_status.head == (await bench.job(parent.id)).journal_head
        assert list(by_error.codes) == [int(status == JobStatus.FAILED) for status in now.values()]
        assert [code > 0 for code in by_duration.codes] == [status > JobStatus.PENDING for status in now.values()]
        assert await bench.store.child_map(99_999, "status") is None

    async def test_single_children_have_the_codes_of_the_maps(self, bench: Bench) -> None:
        """So whoever knows which have changed can follow a map without reading it again."""
        parent, children = await bench.family(5)
        began_at = bench.clock.now()
        done, failed, running = await bench.hand.take(3, root_id=parent.id)
        await bench.hand.tell(*(began(job, began_at) for job in (done, failed, running)))
        bench.clock.move(2)
        error = an_error("no", final=True)
        now = bench.clock.now()
        await bench.hand.tell(ended(done, at=now), ended(failed, How.FAILED, at=now, error=error))
        bench.clock.move(3)

        by_duration = await bench.store.child_map(parent.id, "duration")
        by_error = await bench.store.child_map(parent.id, "error")
        assert by_duration is not None
        assert by_error is not None
        codes = dict(zip(children, by_duration.codes, strict=True))
        [group] = by_error.groups
        head = (await bench.job(parent.id)).journal_head
        assert await bench.store.child_durations([*children, 99_999]) == codes
        assert codes[running.id] > codes[done.id] > 0
        assert await bench.store.growing(parent.id) == (head, {running.id: codes[running.id]})
        assert await bench.store.fingerprints([*children, 99_999]) == {failed.id: group.fingerprint}
        assert await bench.store.growing(99_999) == (0, {})
