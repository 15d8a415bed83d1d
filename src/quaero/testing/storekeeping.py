"""The store's contract, first part: what is written stays written, whole, once, and by whoever holds the job."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.engine.lifecycle.deliveries import settle_delivery, take_deliveries
from quaero.engine.lifecycle.enqueue import enqueue
from quaero.engine.lifecycle.removal import purge
from quaero.engine.lifecycle.retry import delete
from quaero.engine.lifecycle.workers import announce
from quaero.storage.port import EntryFilter, Ledger
from quaero.testing.bench import Bench
from quaero.testing.clock import FakeClock
from quaero.testing.contract import StoreTests
from quaero.testing.drive import Hand
from quaero.testing.factories import a_child, a_root, began, ended, lines, progressed, spawned

PATIENCE = 30.0  # seconds


class Refusal(Exception):
    """What a bad script raises."""


def held_up(gate: threading.Event) -> bool:
    """Wait for the gate on the writer's thread."""
    return gate.wait(PATIENCE)


def bad(ledger: Ledger) -> None:
    """Change a good deal, then raise."""
    [made] = enqueue(ledger, [a_root(key="bad")])
    ledger.lines(ledger.get(made.id), lines(ledger.get(made.id), "never"))
    ledger.run("delete from kind")
    ledger.find.open_root("work", "bad")  # makes the ledger store what it has
    raise Refusal


class StoreKeeping(StoreTests):
    """Durability, atomicity, the fence, dense journals, ids and keys."""

    async def test_an_answered_write_survives_reopening(self, tmp_path: Path, clock: FakeClock) -> None:
        """Rows, journal and incarnation are there again."""
        async with self.open_store(tmp_path, clock) as store:
            bench = await Bench.set_up(store, clock)
            parent, children = await bench.family(3)
            await bench.hand.say(parent, "kept")
            before = (await store.jobs_by_id([parent.id, *children]), await bench.entries(parent.id))
            incarnation = store.incarnation
        async with self.open_store(tmp_path, clock) as store:
            page = await store.entries(parent.id, EntryFilter())
            assert (await store.jobs_by_id([parent.id, *children]), page.entries) == before
            assert "kept" in [entry.message for entry in page.entries]
            assert store.incarnation == incarnation

    async def test_a_script_that_raises_harms_no_other_of_its_commit(self, bench: Bench) -> None:
        """The bad one gets its error, the good ones beside it their answers, and nothing of it stays."""
        gate = threading.Event()
        first = asyncio.create_task(bench.store.write(lambda ledger: held_up(gate)))
        good = [asyncio.create_task(bench.store.write(enqueue, [a_root(key=f"good {n}")])) for n in range(3)]
        wrong = asyncio.create_task(bench.store.write(bad))
        good += [asyncio.create_task(bench.store.write(enqueue, [a_root(key=f"good {n}")])) for n in range(3, 6)]
        await asyncio.sleep(0)  # all are queued behind the first
        gate.set()
        with pytest.raises(Refusal):
            await wrong
        ids = [(await task)[0].id for task in good]
        assert await first
        assert await bench.statuses(ids) == [JobStatus.PENDING] * 6
        assert await bench.store.rows("select count(*) from job where key = 'bad'") == [(0,)]
        assert await bench.store.rows("select count(*) from kind") == [(2,)]
        assert (await bench.store.stats()).counts.total == 6

    async def test_a_script_that_raises_alone_changes_nothing(self, bench: Bench) -> None:
        """Nothing of it is found, and what comes next is as if it had not been."""
        last = await bench.root()
        with pytest.raises(Refusal):
            await bench.store.write(bad)
        assert await bench.root() > last
        assert len(await bench.hand.take()) == 2

    async def test_two_workers_never_get_the_same_job(self, bench: Bench) -> None:
        """Takes that arrive together divide the jobs."""
        other = await Hand.start(bench.store, bench.hand.kinds)
        ids = [await bench.root() for _ in range(40)]
        taken = await asyncio.gather(*(hand.take(7) for _ in range(4) for hand in (bench.hand, other)))
        assert sorted(job.id for jobs in taken for job in jobs) == ids
        assert all(job.epoch == 1 for jobs in taken for job in jobs)

    async def test_two_openings_never_give_the_same_job(self, bench: Bench, beside: Hand) -> None:
        """Two writers, each on a thread of its own, divide the jobs."""
        await bench.store.write(enqueue, [a_root() for _ in range(300)])

        async def all_of(hand: Hand) -> list[Job]:
            taken: list[Job] = []
            while jobs := await hand.take(5):
                taken += jobs
            return taken

        mine, theirs = await asyncio.gather(all_of(bench.hand), all_of(beside))
        ids = [job.id for job in mine + theirs]
        assert len(ids) == len(set(ids)) == 300

    async def test_a_stale_epoch_writes_nothing(self, bench: Bench) -> None:
        """A reservation that was given back is no key to the next one, even of the same worker."""
        root_id = await bench.root()
        [old] = await bench.hand.take()
        await bench.hand.end(old, how=How.UNTOUCHED)
        [new] = await bench.hand.take()
        assert (old.id, new.id, new.epoch) == (root_id, root_id, old.epoch + 1)
        before = await bench.job(root_id), await bench.entries(root_id)
        told = await bench.hand.tell(
            began(old), lines(old, "late"), spawned(old, [a_child()]), progressed(old, current=1.0), ended(old)
        )
        assert told.stale == [(root_id, old.epoch)] * 5
        assert (await bench.job(root_id), await bench.entries(root_id)) == before
        epochs = [old.epoch, new.epoch + 1]
        behind = await bench.store.write(
            lambda ledger: [ledger.guarded([(root_id, epoch)], bench.hand.worker_id) for epoch in epochs]
        )
        assert behind == [{}, {}]  # the fence itself, whatever else looks at epochs

    async def test_another_owner_writes_nothing(self, bench: Bench, beside: Hand) -> None:
        """Knowing the epoch is not holding the job."""
        root_id = await bench.root()
        [job] = await bench.hand.take()
        before = await bench.job(root_id), await bench.entries(root_id)
        told = await beside.tell(lines(job, "mine"), spawned(job, [a_child()]), progressed(job, current=1), ended(job))
        assert told.stale == [(root_id, job.epoch)] * 4
        assert (await bench.job(root_id), await bench.entries(root_id)) == before
        pair = [(root_id, job.epoch)]
        assert await beside.store.write(lambda ledger: ledger.guarded(pair, beside.worker_id)) == {}
        assert set(await bench.store.write(lambda ledger: ledger.guarded(pair, bench.hand.worker_id))) == {root_id}

    async def test_a_journal_is_dense_when_two_stores_append_to_it(self, bench: Bench, beside: Hand) -> None:
        """Numbers 1 to the head, each once, and each job's lines in the order they were said."""
        parent, _ = await bench.family(2)
        [mine] = await bench.hand.take(1)
        [theirs] = await beside.take(1)

        async def talk(hand: Hand, job: Job) -> None:
            for n in range(60):
                await hand.say(job, f"{n} a", f"{n} b")

        await asyncio.gather(talk(bench.hand, mine), talk(beside, theirs))
        entries = await bench.entries(parent.id)
        assert [entry.seq for entry in entries] == list(range(1, (await bench.job(parent.id)).journal_head + 1))
        for job in (mine, theirs):
            said = [entry.message for entry in entries if entry.job_id == job.id and entry.originator == 0]
            assert said == [f"{n} {half}" for n in range(60) for half in "ab"]

    async def test_a_reader_never_sees_half_a_change(self, bench: Bench, beside: Hand) -> None:
        """No number behind a hole, no status without its entry, no entry without the tally it tells of."""
        parent, _ = await bench.family(60)
        done = asyncio.Event()

        async def work(hand: Hand) -> None:
            while jobs := await hand.take(2):
                await hand.say(jobs[0], "one line")
                await hand.end(*jobs)

        async def look() -> int:
            looks = 0
            while not done.is_set():
                earlier = (await bench.job(parent.id)).tally.completed
                page = await bench.store.entries(parent.id, EntryFilter(), limit=100_000)
                later = (await bench.job(parent.id)).tally.completed
                assert [entry.seq for entry in page.entries] == list(range(1, page.head + 1))
                ends = [fields["tally"]["completed"] for e in page.entries if is_completion(fields := e.fields or {})]
                assert ends == list(range(1, len(ends) + 1))
                assert earlier <= len(ends) <= later
                looks += 1
            return looks

        def is_completion(fields: dict[str, Any]) -> bool:
            return fields.get("status") == "completed" and "tally" in fields

        watching = asyncio.create_task(look())
        await asyncio.gather(work(bench.hand), work(beside))
        done.set()
        assert await watching > 0
        assert (await bench.job(parent.id)).tally.completed == 60

    async def test_ids_are_never_given_twice(self, tmp_path: Path, clock: FakeClock) -> None:
        """Not after everything was deleted, purged, and the store opened again."""
        async with self.open_store(tmp_path, clock) as store:
            bench = await Bench.set_up(store, clock)
            parent, children = await bench.family(5)
            await bench.hand.end(parent)
            await bench.finish()
            await store.write(delete, parent.id)
            assert await store.job(parent.id) is None  # at once, before its rows are gone
            while await store.write(purge):
                pass
            assert await store.rows("select count(*) from job where id > 0") == [(0,)]
        async with self.open_store(tmp_path, clock) as store:
            bench = await Bench.set_up(store, clock)
            assert await bench.root() > max(children)
        assert self.findings(tmp_path, clock) == []

    async def test_a_root_key_is_unique_among_open_roots(self, bench: Bench) -> None:
        """Asked together, in one request or later: one job; once it has ended, a new one."""
        asked = await asyncio.gather(
            *(bench.store.write(enqueue, [a_root(key="k"), a_root(key="k")]) for _ in range(4))
        )
        assert len({answer.id for answers in asked for answer in answers}) == 1
        assert sum(answer.created for answers in asked for answer in answers) == 1
        [elsewhere] = await bench.store.write(enqueue, [a_root("other", key="k")])
        assert elsewhere.created
        await bench.finish()
        [again] = await bench.store.write(enqueue, [a_root(key="k")])
        assert again.created

    async def test_a_child_key_is_unique_in_its_tree(self, bench: Bench) -> None:
        """Wherever in the tree it was spawned; another tree has keys of its own."""
        parent, _ = await bench.family(1)
        [child] = await bench.hand.take(root_id=parent.id)
        first = await bench.hand.spawn(parent, [a_child(key="k"), a_child(key="k"), a_child(key="l")])
        assert await bench.hand.spawn(child, [a_child(key="l"), a_child(key="k")]) == [first[2], first[0]]
        assert first[0] == first[1]
        stranger = await bench.running()
        assert await bench.hand.spawn(stranger, [a_child(key="k")]) != first[:1]

    async def test_events_are_taken_in_order_one_of_each_tree_at_a_time(self, bench: Bench) -> None:
        """For each subscriber; the next one of a tree when the one before it was settled."""
        names = ("one.told", "two.told")
        told = [("JobStarted", name) for name in names] + [("JobCompleted", "one.told")]
        worker = bench.hand.worker_id
        await bench.store.write(announce, worker, [], told)
        roots = [await bench.root() for _ in range(3)]
        await bench.finish()
        first = await bench.store.write(take_deliveries, worker, names, 64)
        assert [(one.subscriber, one.root_id) for one in first] == [(name, root) for name in names for root in roots]
        assert await bench.store.write(take_deliveries, worker, names, 64) == []
        for delivery in first:
            await bench.store.write(settle_delivery, worker, delivery, None)
        second = await bench.store.write(take_deliveries, worker, names, 64)
        assert [(one.subscriber, one.root_id) for one in second] == [("one.told", root) for root in roots]
        assert all(later.id > first[n].id for n, later in enumerate(second))
