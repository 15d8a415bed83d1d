"""The short ways of a leaf leave exactly what the long ones leave: rows, tallies, entries."""

from pathlib import Path

import msgspec
import pytest

from quaero.domain.job import Job
from quaero.engine.lifecycle import cancel, leaf
from quaero.storage.port import Ledger
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock
from quaero.testing.factories import a_child, a_definition, a_limit, a_root, a_step, began, ended, lines

pytestmark = pytest.mark.anyio

Story = list[object]


def never(ledger: Ledger, job: Job | None = None) -> bool:
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


async def trees_and_families_side_by_side(bench: Bench) -> Story:
    """Ends of several families and of trees of one job in one commit, with other facts among them."""
    limited = [a_child(payload={"n": n}, limit=a_limit("host", at_once=4)) for n in range(4)]
    parent, _ = await bench.family(5)
    other = await bench.running()
    await bench.hand.spawn(other, limited)
    await bench.hand.end(parent)
    root_id = await bench.root(*[a_root(payload={"n": n}) for n in range(3)])
    jobs = await bench.hand.take()
    facts = [ended(job, result=b'{"n": 1}' if job.id % 2 else None, began_at=job.id) for job in jobs]
    facts[3:3] = [began(jobs[5]), lines(jobs[7], "one", "two")]
    facts.insert(6, ended(jobs[1]))  # once more: too late
    recorded = await bench.hand.tell(*facts, ended(other))
    assert recorded.stale == [(jobs[1].id, jobs[1].epoch)]
    told = [await everything(bench, one) for one in (parent.root_id, other.root_id, *range(root_id, root_id + 3))]
    limits = await bench.store.rows("select * from limits")
    return [[one[:2] for one in told], limits, told[-1][2]]


@pytest.mark.parametrize(
    "story", [a_run, a_run_in_a_step, a_single_job, a_cancelled_run, trees_and_families_side_by_side]
)
async def test_the_short_way_records_what_the_long_way_does(
    story: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = await told(tmp_path / "short.db", story)

    monkeypatch.setattr(leaf, "is_quiet", never)
    monkeypatch.setattr(cancel, "is_quiet_leaf", never)
    long = await told(tmp_path / "long.db", story)

    assert short == long
