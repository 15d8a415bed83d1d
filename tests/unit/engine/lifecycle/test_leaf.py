"""The short ways of a leaf leave exactly what the long ones leave: rows, tallies, entries."""

from pathlib import Path

import msgspec
import pytest

from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.engine.lifecycle import cancel, leaf
from quaero.storage.port import Ledger
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock
from quaero.testing.factories import (
    a_child,
    a_definition,
    a_limit,
    a_root,
    a_step,
    an_error,
    began,
    ended,
    lines,
)

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


async def a_cancelled_fan(bench: Bench) -> Story:
    """Long runs of ids, short ones, and single ones."""
    parent, _ = await bench.family(30)
    limited = [a_child(payload={"l": n}, limit=a_limit(f"host{n // 3 % 2}", at_once=50)) for n in range(24)]
    await bench.hand.spawn(parent, limited)
    taken = await bench.hand.take(4)
    await bench.hand.begin(*taken)
    await bench.hand.end(parent)
    await bench.cancel(parent.id)
    await bench.settle()
    await bench.hand.end(*taken, how=How.CANCELLED)
    await bench.settle()
    return await everything(bench, parent.root_id)


async def a_cancelled_step(bench: Bench) -> Story:
    """With what is delayed, blocked, limited, or has a past among what merely waits."""
    root_id, ids = await bench.definition(a_definition(a_step("one"), a_step("two", depends="one")))
    [step] = await bench.hand.take(root_id=root_id)
    await bench.hand.begin(step)
    plain = [a_child(payload={"n": n}) for n in range(4)]
    limited = [a_child(payload={"l": n}, limit=a_limit("host")) for n in range(3)]
    made = await bench.hand.spawn(step, [*plain, *limited, a_child(delay=5_000_000)])
    await bench.hand.spawn(step, [a_child(payload={"after": 1}, after=(made[0], made[1]))])
    taken = await bench.hand.take(3)
    await bench.hand.begin(taken[0])
    await bench.hand.end(taken[0], how=How.REFUNDED)
    await bench.cancel(ids["one"])
    await bench.settle()
    await bench.hand.end(*taken[1:], how=How.UNTOUCHED)
    await bench.hand.end(step, how=How.CANCELLED)
    await bench.settle()
    return await everything(bench, root_id)


async def a_parent_that_failed(bench: Bench) -> Story:
    """Its own pending children go with it, those of a child that runs do not."""
    parent, _ = await bench.family(5)
    [child, *_] = await bench.hand.take(1)
    await bench.hand.begin(child)
    await bench.hand.spawn(child, [a_child(payload={"below": n}) for n in range(3)])
    await bench.hand.tell(ended(parent, How.FAILED, error=an_error(final=True)))
    await bench.settle()
    await bench.hand.end(child)
    await bench.hand.drain()
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


def whatever_the_order(story: Story) -> Story:
    """A cancellation may take the pending jobs of a tree in any order: what depends on it is left out."""
    rows, entries, counters = story
    for row in rows:  # type: ignore[attr-defined]
        for column in ("version", "first_seq", "last_seq"):
            del row[column]
    told = [
        (entry.job_id, entry.message, entry.level, entry.originator, entry.at, (entry.fields or {}).get("status"))
        for entry in entries  # type: ignore[attr-defined]
    ]
    last = entries[-1]  # type: ignore[index]
    return [rows, sorted(map(str, told)), [entry.seq for entry in entries], last.fields, counters]  # type: ignore[attr-defined]


@pytest.mark.parametrize("story", [a_cancelled_run, a_cancelled_fan, a_cancelled_step, a_parent_that_failed])
async def test_the_short_way_to_cancel_records_what_the_long_way_does(
    story: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = await told(tmp_path / "short.db", story)

    monkeypatch.setattr(cancel, "is_quiet_leaf", never)
    monkeypatch.setattr(cancel, "_end_queued", lambda *_: 0)
    long = await told(tmp_path / "long.db", story)

    assert whatever_the_order(short) == whatever_the_order(long)


@pytest.mark.parametrize("story", [a_run, a_run_in_a_step, a_single_job, trees_and_families_side_by_side])
async def test_the_short_way_records_what_the_long_way_does(
    story: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = await told(tmp_path / "short.db", story)

    monkeypatch.setattr(leaf, "is_quiet", never)
    long = await told(tmp_path / "long.db", story)

    assert short == long
