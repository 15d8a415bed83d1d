"""What time alone brings about, and the small things nobody needs any more."""

from pathlib import Path

import pytest

from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle import removal, sweep
from quaero.engine.lifecycle.enqueue import enqueue
from quaero.engine.lifecycle.retry import delete
from quaero.storage.doctor import examine
from quaero.storage.sqlite import connect
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_definition, a_limit, a_root, a_step

pytestmark = pytest.mark.anyio

DAY = 86_400.0


async def test_a_parent_a_bug_left_open_is_closed_and_it_is_said_so(bench: Bench) -> None:
    parent, [child] = await bench.family(1)
    await bench.hand.end(parent)
    await bench.hand.take()
    plant = (
        "update job set status = 3, owner = null, sealed = 1, finished_at = 1 where id = ?1 and ?2",
        "update job set n_pending = 0, n_completed = 1, b_pending = 0, b_completed = 1 where id = ?2 and ?1",
        "update counter set pending = 0, completed = 1 where ?1 and ?2",
    )
    await bench.store.write(lambda ledger: [ledger.run(sql, (child, parent.id)) for sql in plant])

    assert await bench.store.write(sweep.close_forgotten) == [parent.id]

    assert await bench.status(parent.id) == S.COMPLETED
    assert any("Closed by the sweep" in entry.message for entry in await bench.entries(parent.id))


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
