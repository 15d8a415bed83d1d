"""Upkeep changes how journals lie on the disk and where they begin, never what they say."""

import pytest

from quaero.domain.entries import Level
from quaero.engine.lifecycle.removal import purge
from quaero.engine.lifecycle.retry import delete
from quaero.storage.doctor import examine
from quaero.storage.port import EntryFilter
from quaero.storage.sqliteconnection import SqliteConnection
from quaero.testing import Bench
from quaero.testing.factories import lines

pytestmark = pytest.mark.anyio

HOUR = 3_600_000_000  # microseconds


async def tidy(bench: Bench, keep: int = 0) -> None:
    while await bench.store.tidy(keep):
        pass


async def chatty(bench: Bench, commits: int = 60) -> int:
    """A running root whose journal lies in many small runs."""
    job = await bench.running()
    for n in range(commits):
        await bench.hand.say(job, f"line {n}")
    return job.id


async def runs(bench: Bench, root_id: int) -> int:
    [(n,)] = await bench.store.rows("select count(*) from run where root_id = ?", (root_id,))
    return int(n)


async def test_merging_small_runs_keeps_every_entry(bench: Bench, db: SqliteConnection) -> None:
    root_id = await chatty(bench)
    before, many = await bench.entries(root_id), await runs(bench, root_id)
    await tidy(bench)
    assert await bench.entries(root_id) == before
    assert await runs(bench, root_id) == 1 < many
    assert await bench.store.rows("select count(*) from block") == [(1,)]
    assert examine(db, bench.clock.now()) == []


async def test_a_merged_journal_goes_on_growing(bench: Bench, db: SqliteConnection) -> None:
    root_id = await chatty(bench)
    await tidy(bench)
    job = await bench.job(root_id)
    await bench.hand.say(job, "and on")
    entries = await bench.entries(root_id)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert entries[-1].message == "and on"
    assert examine(db, bench.clock.now()) == []


async def test_a_tree_that_is_removed_while_journals_are_walked_is_passed_by(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker may remove it between the walk's question and its look at the root."""
    root_id = await chatty(bench, 3)
    await bench.hand.end(await bench.job(root_id))
    await bench.store.write(
        lambda ledger: ledger.run("insert into run select 4711, 1, 2, block_id, 1, 1, 0 from run limit 1")
    )
    bench.clock.move(2 * HOUR / 1e6)

    await tidy(bench, HOUR)

    await bench.store.write(lambda ledger: ledger.run("delete from run where root_id = 4711"))


async def test_merging_leaves_a_block_that_other_trees_share(bench: Bench, db: SqliteConnection) -> None:
    one, two = await bench.running(), await bench.running()
    for n in range(40):
        await bench.hand.tell(lines(one, f"line {n}"), lines(two, f"line {n}"))
    before = await bench.entries(one.id), await bench.entries(two.id)
    await tidy(bench)
    assert (await bench.entries(one.id), await bench.entries(two.id)) == before
    assert await bench.store.rows("select count(*), min(refs) from block") == [(2, 1)]
    assert examine(db, bench.clock.now()) == []


async def test_merged_blocks_keep_to_their_size(
    bench: Bench, db: SqliteConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quaero.storage.upkeep.MAX_BLOCK", 400)
    root_id = await chatty(bench)
    before = await bench.entries(root_id)
    await tidy(bench)
    assert await bench.entries(root_id) == before
    assert 1 < await runs(bench, root_id) < 60
    assert examine(db, bench.clock.now()) == []


async def test_a_journal_of_few_runs_is_left_alone(bench: Bench) -> None:
    root_id = await chatty(bench, 5)
    before = await bench.store.rows("select * from run where root_id = ?", (root_id,))
    await tidy(bench)
    assert await bench.store.rows("select * from run where root_id = ?", (root_id,)) == before


async def test_trimming_moves_the_oldest_number_there_is(bench: Bench, db: SqliteConnection) -> None:
    root_id = await chatty(bench, 4)
    old = (await bench.job(root_id)).journal_head
    bench.clock.move(2 * 3600)
    await bench.hand.renew()
    job = await bench.job(root_id)
    await bench.hand.say(job, "young", level=Level.WARN)
    db.run("update run set t1 = ? where root_id = ? and first > ?", (bench.clock.now(), root_id, old))
    await tidy(bench, HOUR)
    assert (await bench.job(root_id)).journal_oldest == old + 1
    page = await bench.store.entries(root_id, EntryFilter())
    assert ([entry.message for entry in page.entries], page.oldest) == (["young"], old + 1)
    behind = await bench.store.entries(root_id, EntryFilter(), descending=True)
    assert (len(behind.entries), behind.scanned_to) == (1, old)
    assert examine(db, bench.clock.now()) == []


async def test_trimming_keeps_what_is_young_enough_and_whole_closed_trees(bench: Bench, db: SqliteConnection) -> None:
    closed = await bench.root()
    await bench.finish()
    root_id = await chatty(bench, 4)
    before = await bench.entries(root_id), await bench.entries(closed)
    bench.clock.move(1800)
    await bench.hand.renew()
    await tidy(bench, HOUR)
    assert await bench.entries(root_id) == before[0]
    bench.clock.move(3600)
    await bench.hand.renew()
    await tidy(bench, HOUR)
    assert await bench.entries(closed) == before[1]
    assert examine(db, bench.clock.now()) == []


async def test_the_space_of_removed_trees_is_given_back(bench: Bench) -> None:
    job = await bench.running()
    for n in range(20):
        await bench.hand.say(job, f"{n} " + " ".join(str(i * 7919 % 10_007) for i in range(n, n + 8_000)))
    await bench.hand.end(job)
    [(before,)] = await bench.store.rows("pragma page_count")
    await bench.store.write(delete, job.id)
    while await bench.store.write(purge):
        pass
    [(unused,)] = await bench.store.rows("pragma freelist_count")
    await tidy(bench)
    [(after,)] = await bench.store.rows("pragma page_count")
    assert after <= before - min(unused, 1_000)
    assert unused > 50


async def test_journals_that_nobody_writes_are_walked_once_an_hour(bench: Bench, db: SqliteConnection) -> None:
    await tidy(bench)
    root_id = await chatty(bench, 5)
    db.run("update run set t1 = 1 where root_id = ?", (root_id,))
    await tidy(bench, 100 * HOUR)
    assert (await bench.job(root_id)).journal_oldest == 1
    bench.clock.move(3600)
    await bench.hand.renew()
    await tidy(bench, 100 * HOUR)
    assert (await bench.job(root_id)).journal_oldest > 1


async def test_a_journal_that_is_scattered_again_is_merged_again(bench: Bench) -> None:
    job = await bench.running()
    for _ in range(2):
        for n in range(300):
            await bench.hand.say(job, f"line {n}")
        await tidy(bench)
        assert await runs(bench, job.id) <= 34
