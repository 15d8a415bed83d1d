"""Trees run again as new ones, and trees removed: at once from sight, then row by row."""

import pytest

from quaero.domain.errors import Conflict, InvalidInput, NotFound
from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle import removal
from quaero.engine.lifecycle.enqueue import enqueue
from quaero.engine.lifecycle.retry import delete, rerun
from quaero.storage.port import JobFilter, Ledger
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_definition, a_document, a_root, a_step, ended, lines

pytestmark = pytest.mark.anyio
STEPS_A_JOB = 1_500  # instructions of SQLite's machine to remove a job from all its indexes


async def test_a_rerun_is_a_new_tree_of_the_same_request(bench: Bench) -> None:
    old = await bench.running(
        a_root(payload={"x": 1}, name="nightly", tags=("a",), priority=3, max_attempts=5, key="k")
    )
    await bench.hand.spawn(old, [a_child()])

    acted = await bench.store.write(rerun, old.id)

    new = await bench.job(acted.job.id)
    assert new.id != old.id
    assert (new.payload, new.name, new.tags, new.priority, new.max_attempts) == (b'{"x": 1}', "nightly", '["a"]', 3, 5)
    assert (new.status, new.round, new.tally.total) == (S.PENDING, 1, 0)


async def test_a_rerun_of_a_definition_makes_its_steps_again(bench: Bench) -> None:
    root_id, ids = await bench.definition(a_definition(a_step("a"), a_step("b", depends="a")))
    await bench.finish()

    acted = await bench.store.write(rerun, root_id)
    await bench.finish()

    names = [step.name for step in await bench.store.steps(acted.job.id)]
    assert names == list(ids)
    assert await bench.status(acted.job.id) == S.COMPLETED


async def test_only_roots_are_run_again_or_deleted(bench: Bench) -> None:
    parent, [child] = await bench.family(1)

    for action in (rerun, delete):
        with pytest.raises(InvalidInput, match=f"job {child} is not a root"):
            await bench.store.write(action, child)
    with pytest.raises(Conflict, match="cancel it before deleting"):
        await bench.store.write(delete, parent.id)


async def test_a_deleted_tree_is_gone_at_once_and_its_rows_follow(bench: Bench) -> None:
    parent, ids = await bench.family(7)
    for job in await bench.hand.take():
        await bench.hand.tell(lines(job, "a line"), ended(job, documents=[a_document()]))
    await bench.hand.end(parent)
    kept = await bench.running()
    await bench.hand.say(kept, "stays")

    acted = await bench.store.write(delete, parent.id)

    assert acted.affected == 8
    assert await bench.store.job(parent.id) is None
    assert await bench.store.jobs_by_id(ids) == []
    assert await bench.store.documents(q="text") == await bench.store.documents() == []
    for where in (JobFilter(kind="work"), JobFilter(parent_id=parent.id), JobFilter(root_id=parent.id)):
        assert [job.id for job in (await bench.store.jobs(where)).jobs if job.id != kept.id] == []
    assert [job.id for job in (await bench.store.jobs(JobFilter(roots=True))).jobs] == [kept.id]
    with pytest.raises(NotFound):
        await bench.retry(parent.id)

    gone = 0
    while n := await bench.store.write(removal.purge, 3):
        gone += n
    assert gone >= 8
    for table in ("run", "lane", "error_group", "document", "delivery"):
        rows = await bench.store.rows(f"select count(*) from {table} where root_id = ?", (parent.id,))
        assert rows == [(0,)]
    assert await bench.store.documents(q="text") == []
    assert (await bench.entries(kept.id))[-1].message == "stays"
    assert (await bench.store.stats()).counts.total == 1


async def test_ids_of_deleted_trees_are_never_given_again(bench: Bench) -> None:
    first = await bench.root()
    await bench.finish()
    await bench.store.write(delete, first)
    while await bench.store.write(removal.purge):
        pass

    assert await bench.root() > first


async def test_trees_closed_long_ago_are_retired(bench: Bench) -> None:
    old = await bench.root()
    await bench.finish()
    bench.clock.move(100)
    await bench.hand.renew()
    new = await bench.root()
    await bench.finish()
    open_one = await bench.root()

    assert await bench.store.write(removal.retire, 50_000_000) == 1
    while await bench.store.write(removal.purge):
        pass

    assert await bench.store.job(old) is None
    assert len(await bench.store.jobs_by_id([new, open_one])) == 2


def below(ledger: Ledger, parent_id: int, root_id: int, first: int, n: int) -> None:
    """Completed children, as many as are too many to be spawned here, with their counts."""
    ledger.run(
        "insert into job(id, root_id, parent_id, kind, status, sealed, finished_at) with recursive n(i) as"
        " (values(0) union all select i + 1 from n where i + 1 < ?) select ? + i, ?, ?, 'work', 3, 1, 1 from n",
        (n, first, root_id, parent_id),
    )
    ledger.run("update counter set completed = completed + ? where writer = (select min(writer) from counter)", (n,))
    ledger.run("update meta set value = '9000000' where key = 'last_id'")


async def test_what_a_part_of_a_tree_costs_does_not_grow_with_the_tree(bench: Bench) -> None:
    root_id = await bench.root()
    await bench.finish()
    await bench.store.write(below, root_id, root_id, 1_000_000, 20_000)
    await bench.store.write(below, 1_000_500, root_id, 2_000_000, 3_000)
    await bench.store.write(delete, root_id)
    assert isinstance(bench.store, SqlStore)
    handle = bench.store._backend.db.handle
    counts: list[int] = []

    def part(ledger: Ledger) -> int:
        counts.append(0)
        handle.set_progress_handler(lambda: counts.append(counts.pop() + 1) or False, 1_000)
        try:
            return removal.purge(ledger, 100)
        finally:
            handle.set_progress_handler(None)

    while await bench.store.write(part):
        pass

    assert await bench.store.rows("select count(*) from job where root_id = ?", (root_id,)) == [(0,)]
    assert max(counts) <= 200 * STEPS_A_JOB / 1_000
    assert len(counts) <= 300


async def test_trees_of_one_job_are_removed_many_at_a_time(bench: Bench) -> None:
    await bench.store.write(enqueue, [a_root(payload={"n": n}) for n in range(250)])
    await bench.finish()
    bench.clock.move(100)

    assert await bench.store.write(removal.retire, 50_000_000) == 250
    parts = 0
    while await bench.store.write(removal.purge):
        parts += 1

    assert parts <= 4
    assert await bench.store.rows("select (select count(*) from run), (select count(*) from block)") == [(0, 0)]
    assert (await bench.store.stats()).counts.total == 0
