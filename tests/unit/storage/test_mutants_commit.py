"""What one commit is: whole, dense, fenced, and saved in an order in which two commits cannot block each other.

`make mutations` breaks each of these rules in a copy of the source and shows that a test here, or beside it, fails.
"""

from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import pytest

from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle import workers
from quaero.engine.lifecycle.cancel import cancel
from quaero.storage.doctor import Finding, examine
from quaero.storage.sqlite import connect
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock
from quaero.testing.factories import a_child, began, ended, lines

pytestmark = pytest.mark.anyio


class Watched:
    """A bench on a store that is examined, from another connection, after every single commit."""

    def __init__(self, bench: Bench, store: SqlStore, path: Path) -> None:
        self.bench = bench
        self.commits = 0
        self.findings: list[Finding] = []
        self.saved: list[tuple[str, int]] = []  # (what was saved, job id) since the last commit
        self.orders: list[list[tuple[str, int]]] = []
        self._reader = connect(path, readonly=True)
        self._handle = store._backend.db.handle
        self._handle.set_wal_hook(self._committed)
        self._handle.exec_trace = self._traced

    def _committed(self, handle: Any, database: str, pages: int) -> int:
        self.commits += 1
        self.findings += examine(self._reader, self.bench.clock.now())
        self.orders.append(self.saved)
        self.saved = []
        return 0

    def _traced(self, cursor: Any, sql: str, bindings: Any) -> bool:
        if sql.startswith("update job set status="):
            self.saved.append(("branch" if "n_pending=" in sql else "leaf", bindings[-1]))
        return True

    def close(self) -> None:
        self._handle.exec_trace = None
        self._handle.set_wal_hook(None)
        self._reader.handle.close()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    clock = FakeClock()
    path = tmp_path / "quaero.db"
    async with SqlStore.open(f"sqlite:///{path}", clock=clock) as store:
        watched = Watched(await Bench.set_up(store, clock), store, path)
        yield watched
        watched.close()
    assert watched.findings == []


@pytest.fixture
def bench(watched: Watched) -> Bench:
    return watched.bench


async def four_levels(bench: Bench) -> list[Job]:
    """A running job on each of four levels, from the root down."""
    line = [await bench.running()]
    for _ in range(3):
        await bench.hand.spawn(line[-1], [a_child(payload={"depth": len(line)}), a_child()])
        taken = {job.id: job for job in await bench.hand.take()}
        line.append(taken[min(taken)])
        await bench.hand.begin(*taken.values())
    return line


async def test_every_commit_by_itself_leaves_a_store_without_a_fault(watched: Watched, bench: Bench) -> None:
    line = await four_levels(bench)
    await bench.hand.tell(lines(line[3], "a line"), ended(line[3]))
    await bench.hand.end(line[2], how=How.FAILED)
    await bench.finish()
    await bench.store.write(cancel, line[0].id)
    running = await bench.store.rows("select id from job where status = 1")
    await bench.hand.end(*await bench.store.jobs_by_id([row[0] for row in running]), how=How.CANCELLED)
    await bench.finish()

    assert (await bench.job(line[0].id)).is_terminal
    assert watched.commits > 15


async def test_a_change_with_its_entry_and_the_tallies_above_it_is_one_commit(watched: Watched, bench: Bench) -> None:
    line = await four_levels(bench)
    before = watched.commits

    await bench.hand.tell(lines(line[3], "a line"), ended(line[3]))

    assert watched.commits == before + 1
    assert (await bench.job(line[2].id)).tally.completed == 1
    assert (await bench.job(line[0].id)).below.completed == 1


async def test_rows_are_saved_leaves_first_then_upwards_and_roots_last(watched: Watched, bench: Bench) -> None:
    line = await four_levels(bench)
    await bench.hand.tell(*(ended(job) for job in reversed(line)))
    await bench.finish()

    for order in watched.orders:
        kinds = [kind for kind, _ in order]
        branches = [job_id for kind, job_id in order if kind == "branch"]
        assert kinds == sorted(kinds, reverse=True), f"a leaf after what is above it: {order}"
        assert branches == sorted(branches, reverse=True), f"an ancestor before what is below it: {order}"
    assert max(len({job_id for kind, job_id in order if kind == "branch"}) for order in watched.orders) >= 3


async def test_journal_numbers_are_counted_by_tree_and_not_by_the_store(bench: Bench) -> None:
    one, other = await bench.running(), await bench.running()
    for n in range(5):
        await bench.hand.tell(lines(one, f"one {n}"), lines(other, f"other {n}", "and more"))
    await bench.hand.end(one, other)

    for root_id, n in ((one.id, 7), (other.id, 12)):
        numbers = [entry.seq for entry in await bench.entries(root_id)]
        assert numbers == list(range(1, n + 1))
        assert (await bench.job(root_id)).journal_head == n


async def test_the_fence_asks_for_the_epoch_and_not_only_for_the_owner(bench: Bench) -> None:
    await bench.root()
    [old] = await bench.hand.take()
    await bench.hand.end(old, how=How.UNTOUCHED)
    [new] = await bench.hand.take()
    fence = [(old.id, old.epoch), (new.id, new.epoch)]

    held = await bench.store.write(
        lambda ledger: [list(ledger.guarded([pair], bench.hand.worker_id)) for pair in fence]
    )
    answer = await bench.hand.play(held=[old])

    assert held == [[], [new.id]]
    assert answer.stop == [new.id], "what runs under a stale epoch has to stop"


async def test_a_worker_whose_lease_runs_is_not_swept(bench: Bench) -> None:
    job = await bench.running()
    bench.clock.move(19)

    swept = await bench.store.write(workers.sweep_workers)

    assert swept == []
    assert (await bench.job(job.id)).owner == bench.hand.worker_id


async def test_a_parent_that_still_runs_does_not_close_with_its_last_child(bench: Bench) -> None:
    parent, _ = await bench.family(2)
    children = await bench.hand.take()

    await bench.hand.tell(*(began(child) for child in children))
    await bench.hand.end(*children)

    assert await bench.status(parent.id) == S.RUNNING
    await bench.hand.end(parent)
    assert await bench.status(parent.id) == S.COMPLETED


async def test_what_was_committed_is_not_run_again_because_nobody_could_be_told(tmp_path: Path) -> None:
    def deaf(trees: Collection[int], work: bool) -> None:
        raise FileNotFoundError("the doorbell's folder was tidied away")

    clock = FakeClock()
    async with SqlStore.open(f"sqlite:///{tmp_path}/quaero.db", clock=clock, on_commit=deaf) as store:
        bench = await Bench.set_up(store, clock)
        roots = [await bench.root() for _ in range(3)]

        [(n,)] = await store.rows("select count(*) from job where id > 0")

        assert n == len(set(roots)) == 3
