"""The short ways of a leaf leave exactly what the long ones leave: rows, tallies, entries."""

from pathlib import Path

import msgspec
import pytest

from quaero.domain.job import Job
from quaero.engine.lifecycle import cancel, record
from quaero.storage.port import Ledger
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock
from quaero.testing.factories import a_child, a_definition, a_step

pytestmark = pytest.mark.anyio

Story = list[object]


def never(ledger: Ledger, job: Job) -> bool:
    """No job may take a short way."""
    return False


async def everything(bench: Bench, root_id: int) -> Story:
    """All rows and entries of a tree, as values."""
    ids = [row[0] for row in await bench.store.rows("select id from job where root_id = ?", (root_id,))]
    rows = [msgspec.structs.asdict(job) for job in await bench.store.jobs_by_id(ids)]
    return [rows, await bench.entries(root_id), await bench.store.rows("select * from counter")]


async def a_run(bench: Bench) -> Story:
    parent, _ = await bench.family(5)
    await bench.hand.end(parent)
    await bench.hand.drain(n=2)
    return await everything(bench, parent.root_id)


async def a_run_in_a_step(bench: Bench) -> Story:
    root_id, _ = await bench.definition(a_definition(a_step("one")))
    [step] = await bench.hand.take(root_id=root_id)
    await bench.hand.begin(step)
    await bench.hand.spawn(step, [a_child(payload={"n": n}) for n in range(4)])
    await bench.hand.end(step)
    await bench.hand.drain()
    return await everything(bench, root_id)


async def a_single_job(bench: Bench) -> Story:
    root_id = await bench.root()
    await bench.hand.drain()
    return await everything(bench, root_id)


async def a_cancelled_run(bench: Bench) -> Story:
    parent, _ = await bench.family(6)
    taken = await bench.hand.take(2)
    await bench.hand.begin(taken[0])
    await bench.cancel(parent.id)
    await bench.settle()
    await bench.hand.end(parent, taken[0])
    await bench.settle()
    return await everything(bench, parent.root_id)


async def told(path: Path, story: object) -> Story:
    clock = FakeClock()
    async with SqlStore.open(f"sqlite:///{path}", clock=clock) as store:
        bench = await Bench.set_up(store, clock)
        told: Story = await story(bench)  # type: ignore[operator]
        counters = [counter[1:] for counter in told.pop()]  # type: ignore[attr-defined]
        return [*told, counters]


@pytest.mark.parametrize("story", [a_run, a_run_in_a_step, a_single_job, a_cancelled_run])
async def test_the_short_way_records_what_the_long_way_does(
    story: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = await told(tmp_path / "short.db", story)

    monkeypatch.setattr(record, "is_plain_leaf", never)
    monkeypatch.setattr(cancel, "is_quiet_leaf", never)
    long = await told(tmp_path / "long.db", story)

    assert short == long
