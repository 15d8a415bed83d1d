"""What time alone brings about, and the small things nobody needs any more."""

from pathlib import Path

import pytest

from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle import removal, sweep
from quaero.engine.lifecycle.enqueue import enqueue
from quaero.engine.lifecycle.retry import delete
from quaero.storage.doctor import examine
from quaero.storage.port import Ledger
from quaero.storage.sqlite import connect
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_definition, a_limit, a_root, a_step

pytestmark = pytest.mark.anyio

DAY = 86_400.0


async def left_open(bench: Bench) -> int:
    """A parent whose only child ended without closing it, as no path of ours does."""
    parent, [child] = await bench.family(1)
    await bench.hand.end(parent)
    await bench.hand.take()
    plant = (
        "update job set status = 3, owner = null, sealed = 1, finished_at = 1 where id = ?1 and ?2",
        "update job set n_pending = 0, n_completed = 1, b_pending = 0, b_completed = 1 where id = ?2 and ?1",
        "update counter set pending = pending - 1, completed = completed + 1 where ?1 and ?2",
    )
    await bench.store.write(lambda ledger: [ledger.run(sql, (child, parent.id)) for sql in plant])
    return parent.id


async def test_a_parent_a_bug_left_open_is_closed_and_it_is_said_so(bench: Bench) -> None:
    parent_id = await left_open(bench)

    assert await bench.store.write(sweep.close_forgotten) == [parent_id]

    assert await bench.status(parent_id) == S.COMPLETED
    assert any("Closed by the sweep" in entry.message for entry in await bench.entries(parent_id))


async def test_of_many_open_parents_a_part_is_looked_at_each_time_and_all_in_turn(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "LOOKED_AT", 2)
    for _ in range(3):
        parent, _ = await bench.family(1)
        await bench.hand.end(parent)
    done = [await left_open(bench), await left_open(bench)]

    closed = [await bench.store.write(sweep.close_forgotten) for _ in range(3)]
    again = [await left_open(bench)]
    closed += [await bench.store.write(sweep.close_forgotten) for _ in range(3)]

    assert closed[:3] == [[], done[:1], done[1:]]
    assert [job_id for ids in closed[3:] for job_id in ids] == again


async def test_counts_of_processes_long_gone_are_one_rows(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "COUNTERS_KEPT", 3)
    await bench.family(4)
    before = (await bench.store.stats()).counts

    def leave_rows(ledger: Ledger) -> None:
        for n in range(10):  # one made what another one completed
            values = f"'gone {n}', {n}, 0, 0, {-n}, 0, 0"
            ledger.run(
                f"insert into counter(writer, pending, running, waiting, completed, failed, cancelled) values({values})"
            )
        ledger.run(
            "update counter set pending = pending - 45, completed = completed + 45 where writer not like 'gone%'"
        )
        ledger.run(f"insert into throughput(second, writer, closed) values({ledger.now // 1_000_000}, 'gone 9', 1)")

    await bench.store.write(leave_rows)
    await bench.store.write(sweep.trim_small)

    writers = {writer for (writer,) in await bench.store.rows("select writer from counter")}
    assert len(writers) == 2
    assert "gone 9" in writers  # it has just ended a job: it lives
    assert (await bench.store.stats()).counts == before


async def test_small_things_are_forgotten_after_a_day(bench: Bench) -> None:
    await bench.store.write(enqueue, [a_root()], "key")
    await bench.finish()
    await bench.hand.leave()
    bench.clock.move(DAY / 2)
    await bench.store.write(sweep.trim_small)
    assert len(await bench.store.rows("select 1 from idempotency union all select 1 from worker")) == 2
    assert await bench.store.rows("select 1 from throughput union all select 1 from latency") == []

    bench.clock.move(DAY / 2 + 60)
    await bench.store.write(sweep.trim_small)

    assert await bench.store.rows("select 1 from idempotency union all select 1 from worker") == []


async def test_limits_nobody_queues_under_are_forgotten_once_they_are_many(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = await bench.running()
    await bench.hand.spawn(parent, [a_child(payload={"n": n}, limit=a_limit(f"h{n}")) for n in range(3)])
    await bench.store.write(sweep.trim_small)
    assert await bench.store.rows("select count(*) from limits") == [(3,)]

    await bench.finish()
    await bench.hand.end(parent)
    await bench.store.write(delete, parent.id)
    while await bench.store.write(removal.purge):
        pass
    await bench.store.write(sweep.trim_small)

    assert await bench.store.rows("select count(*) from limits") == [(0,)]


async def test_a_steps_limit_outlives_the_cleaning_before_its_first_child(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.definition(a_definition(a_step("a", limit=1)))
    [step] = await bench.hand.take()

    await bench.store.write(sweep.trim_small)
    await bench.hand.spawn(step, [a_child(payload={"n": n}) for n in range(3)])

    assert len(await bench.hand.take()) == 1


async def test_the_doctor_finds_nothing_while_a_tree_is_being_removed(bench: Bench, tmp_path: Path) -> None:
    parent, _ = await bench.family(10)
    await bench.hand.end(parent)
    await bench.finish()
    await bench.store.write(delete, parent.id)

    assert await bench.store.write(removal.purge, 4) == 4

    db = connect(tmp_path / "quaero.db", readonly=True)
    assert examine(db, bench.clock.now()) == []
    db.handle.close()
    while await bench.store.write(removal.purge, 4):
        pass
