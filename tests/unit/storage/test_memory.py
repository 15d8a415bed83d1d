"""What a process remembers of the jobs it reserved is worth nothing once somebody else has changed them."""

from pathlib import Path

import pytest

from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.engine.lifecycle.workers import sweep_workers
from quaero.storage.port import Ledger
from quaero.storage.sqliteconnection import SqliteConnection
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock, Hand
from quaero.testing.factories import a_child, ended

pytestmark = pytest.mark.anyio


async def test_what_another_process_has_swept_is_no_more_ours(bench: Bench, clock: FakeClock, tmp_path: Path) -> None:
    parent, children = await bench.family(3)
    held = await bench.hand.take()
    async with SqlStore.open(f"sqlite:///{tmp_path}/quaero.db", clock=clock) as store:
        other = await Hand.start(store)
        clock.move(21)  # past the lease
        await other.renew()
        await store.write(sweep_workers)
        theirs = await other.take()

        told = await bench.hand.tell(*(ended(job) for job in held))

        assert told.stale == [(job.id, job.epoch) for job in held]
        assert sorted(job.id for job in theirs) == [parent.id, *children][-len(theirs) :]
        assert set(await bench.statuses(children)) == {JobStatus.PENDING}


async def test_a_row_changed_by_hand_is_read_again(bench: Bench, db: SqliteConnection) -> None:
    _, [child] = await bench.family(1)
    [job] = await bench.hand.take()
    db.run("update job set payload = ?, version = version + 1 where id = ?", (b'{"by": "hand"}', child))

    [found] = await bench.store.write(lambda ledger: list(ledger.guarded([(child, 1)], bench.hand.worker_id).values()))

    assert found.payload == b'{"by": "hand"}'
    assert job.payload != found.payload


async def test_a_row_changed_by_hand_is_read_again_however_many_other_transactions_come_between(
    bench: Bench, db: SqliteConnection
) -> None:
    _, [child] = await bench.family(1)
    await bench.hand.take()
    db.run("update job set cancel_requested = 1, version = version + 1 where id = ?", (child,))
    await bench.store.write(lambda ledger: None)

    held = await bench.store.write(lambda ledger: list(ledger.guarded([(child, 1)], bench.hand.worker_id).values()))

    assert [job.cancel_requested for job in held] == [1]


async def test_what_others_left_alone_is_remembered_all_the_same(bench: Bench, db: SqliteConnection) -> None:
    _, children = await bench.family(3)
    await bench.hand.take()
    db.run("update job set payload = x'5b5d', version = version + 1 where id = ?", (children[0],))
    await bench.store.write(lambda ledger: None)
    db.run("update job set payload = x'5b5d' where id > 0")  # nobody does this: it shows who reads and who remembers

    held = await bench.store.write(lambda ledger: ledger.guarded([(i, 1) for i in children], bench.hand.worker_id))

    assert [held[i].payload for i in children] == [b"[]", b'{"n": 1}', b'{"n": 2}']


async def test_what_our_own_process_changed_by_another_way_is_remembered_as_it_is_now(bench: Bench) -> None:
    """A cancellation finds jobs by queries, not by the ids that are remembered."""
    parent, children = await bench.family(2)
    held = await bench.hand.take()
    await bench.cancel(parent.id)
    await bench.settle()

    told = await bench.hand.tell(*(ended(job) for job in held))

    assert len(told.stale) == 2
    assert set(await bench.statuses(children)) == {JobStatus.CANCELLED}


async def test_a_transaction_that_failed_leaves_nothing_in_memory(bench: Bench) -> None:
    _, children = await bench.family(2)
    ends = [ended(job) for job in await bench.hand.take()]

    def spoil(ledger: Ledger) -> None:
        for job in ledger.load(children).values():
            job.epoch += 7
            ledger.touch(job)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await bench.store.write(spoil)

    assert (await bench.hand.tell(*ends)).stale == []
    assert set(await bench.statuses(children)) == {JobStatus.COMPLETED}


async def test_a_job_with_a_past_is_reserved_with_it(bench: Bench) -> None:
    """A claim reads only the birth of what was never reserved before; all else comes with what has happened to it."""
    parent, [_, second] = await bench.family(2)
    [one, _] = await bench.hand.take()
    await bench.hand.say(one, "a line")
    await bench.hand.spawn(one, [a_child()])
    await bench.hand.end(one)
    leaver = await bench.hand.leave()

    hand = await Hand.start(bench.store)
    taken: dict[int, Job] = {job.id: job for job in await hand.take()}

    assert leaver == 2
    stored = {job.id: job for job in await bench.store.jobs_by_id(list(taken))}
    assert {i: (j.losses, j.first_seq, j.lines, j.version) for i, j in taken.items()} == {
        i: (j.losses, j.first_seq, j.lines, j.version) for i, j in stored.items()
    }
    assert taken[second].losses == 1
    assert parent.id not in taken or taken[parent.id].is_branch
