"""The store's contract: a bulk action leaves what the same action on each of its jobs leaves.

Two trees grow alike. In one of them every job is acted on by itself, in a commit of its own and as if it had others
below it; in the other a bulk does it, batch by batch. Rows, tallies and journals must be the same, then and at the end.
`QUAERO_DEEP=n` tries n times as many.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quaero.domain.errors import Conflict
from quaero.domain.facts import Fact, How
from quaero.domain.job import NO_TALLIES, Job
from quaero.domain.status import JobStatus
from quaero.engine.lifecycle import bulk
from quaero.engine.lifecycle.bulk import Account, Action, Order, Stand, order, work
from quaero.engine.lifecycle.cancel import cancel
from quaero.engine.lifecycle.retry import retry
from quaero.storage.port import JobFilter, Ledger
from quaero.testing.bench import Bench
from quaero.testing.contract import StoreTests
from quaero.testing.factories import a_child, a_definition, a_limit, a_root, a_step, an_error, ended

S = JobStatus
KINSHIP = ("id", "root_id", "parent_id", "step_id", "spawner_id")
PASSING = ("version", "lane_id", "limit_id", "step_limit_id", "is_branch", "tallies", "cancelling")
EVERYTHING = 1 << 62
DEEP = int(os.environ.get("QUAERO_DEEP", "1"))

_place = st.integers(0, 20)
_grow = st.tuples(st.sampled_from(("plain", "limited", "delayed", "after")), _place, st.integers(1, 4))
_move = st.tuples(st.sampled_from(("take", "begin", "complete", "fail", "fail", "return")), _place, st.integers(1, 3))
_story = st.lists(_grow | _move, min_size=4, max_size=12)


@dataclass(frozen=True)
class Wish:
    """What to do with which children of which job, by their places, in batches of how many."""

    action: Action
    parent: int
    first: int
    last: int
    statuses: frozenset[JobStatus]
    most: int


_wishes = st.builds(
    Wish,
    action=st.sampled_from(("cancel", "cancel", "retry")),
    parent=st.just(0) | _place,
    first=st.just(0) | _place,
    last=st.just(20) | _place,
    statuses=st.frozensets(st.sampled_from((S.PENDING, S.RUNNING, S.FAILED, S.CANCELLED)), max_size=2),
    most=st.sampled_from((250, 2, 1)),
)


class Tree:
    """One of the trees: jobs are named by their places in it."""

    def __init__(self, bench: Bench, name: str) -> None:
        self._bench = bench
        self._name = name
        self._held: dict[int, Job] = {}
        self.root_id = 0

    async def begin(self, on_error: str | None) -> None:
        """A parent at work: a root, or the first step of a definition if its `on_error` is given."""
        bench = self._bench
        if on_error is None:
            self.root_id = await bench.root(a_root())
        else:
            steps = a_step("one", on_error=on_error), a_step("two", depends="one")
            self.root_id, _ = await bench.definition(a_definition(*steps))
        await self._take(1)
        await bench.hand.begin(*self._held.values())
        await self.go("plain", 0, 3)

    async def go(self, what: str, place: int, n: int) -> None:
        """One move of the story; one that makes no sense now is left out."""
        if what == "take":
            await self._take(n)
        elif self._held:
            job = list(self._held.values())[place % len(self._held)]
            if what == "begin":
                await self._bench.hand.begin(job)
            elif (how := _HOWS.get(what)) is not None:
                del self._held[job.id]
                await self._bench.hand.tell(_end(job, how))
            else:
                await self._bench.hand.begin(job)
                await self._spawn(job, what, n)

    async def _take(self, n: int) -> None:
        for job in await self._bench.hand.take(n, root_id=self.root_id):
            self._held[job.id] = job

    async def _spawn(self, job: Job, what: str, n: int) -> None:
        made = [row.id for row in await self._children(job.id)]
        after = tuple(made[-2:]) if what == "after" else ()
        limit = a_limit(self._name, at_once=2) if what == "limited" else None
        delay = 1_000_000 if what == "delayed" else 0
        children = [a_child(payload={"n": len(made) + i}, delay=delay, after=after, limit=limit) for i in range(n)]
        with suppress(AssertionError):  # it holds the job no more
            await self._bench.hand.spawn(job, children)

    async def _children(self, job_id: int) -> list[Job]:
        where = JobFilter(parent_id=job_id, descending=False)
        return (await self._bench.store.jobs(where, limit=1_000)).jobs

    async def chosen(self, wish: Wish) -> JobFilter:
        """The children that are meant."""
        sql = "select distinct parent_id from job where root_id = ? and parent_id is not null order by parent_id"
        parents = await self._bench.store.rows(sql, (self.root_id,))
        parent = parents[wish.parent % len(parents)][0]
        children = [job.id for job in await self._children(parent)]
        first, last = sorted(children[min(place, len(children) - 1)] for place in (wish.first, wish.last))
        statuses = tuple(sorted(wish.statuses))
        return JobFilter(parent_id=parent, children=(first, last), statuses=statuses, descending=False)

    async def _ids(self) -> list[int]:
        rows = await self._bench.store.rows("select id from job where root_id = ? order by id", (self.root_id,))
        return [row[0] for row in rows]

    async def end(self) -> None:
        """What still runs ends; what then can run completes."""
        hand = self._bench.hand
        for job in list(self._held.values()):
            await hand.tell(
                ended(job, How.CANCELLED if (await self._bench.job(job.id)).cancel_requested else How.COMPLETED)
            )
        self._held.clear()
        await self._bench.settle()
        while taken := await hand.take(1, root_id=self.root_id):
            await hand.end(*taken)
        await self._bench.settle()

    async def told(self) -> dict[str, Any]:
        """All there is to know of it, with places for ids."""
        ids = await self._ids()
        place = {job_id: n for n, job_id in enumerate(ids)}
        entries = await self._bench.entries(self.root_id)
        groups = await self._bench.store.errors(self.root_id)
        return {
            "jobs": [_row(job, place) for job in await self._bench.store.jobs_by_id(ids)],
            "entries": [msgspec.structs.astuple(_placed(entry, place)) for entry in entries],
            "errors": [(group.fingerprint, group.count, group.message) for group in groups],
        }


async def alike(one: Tree, other: Tree) -> None:
    """Raise AssertionError when two trees differ."""
    told, expected = await other.told(), await one.told()
    for what, values in expected.items():
        for value, found in zip(values, told[what], strict=True):
            assert found == value


_HOWS = {"complete": How.COMPLETED, "fail": How.FAILED, "return": How.REFUNDED}


def _end(job: Job, how: How) -> Fact:
    return ended(job, how, error=an_error(final=True)) if how is How.FAILED else ended(job, how)


def _row(job: Job, place: dict[int, int]) -> dict[str, Any]:
    told = {name: value for name, value in msgspec.structs.asdict(job).items() if name not in PASSING}
    told.update((name, place.get(told[name])) for name in KINSHIP)
    return {**told, "tallies": job.tallies or [0] * NO_TALLIES, "places": bool(job.limit_id)}


def _placed(entry: Any, place: dict[int, int]) -> Any:
    names = [name for name in ("job_id", "root_id", "step_id") if getattr(entry, name, None) is not None]
    return msgspec.structs.replace(entry, **{name: place[getattr(entry, name)] for name in names})


async def one_by_one(bench: Bench, action: Action, where: JobFilter) -> int:
    """Act on each job by itself; how many were touched."""
    touched = position = 0
    while True:

        def act(ledger: Ledger, after: int = position) -> tuple[int, int]:
            found = ledger.find.matching(where, after=after, upto=EVERYTHING, limit=1)
            if not found.ids:
                return EVERYTHING, 0
            [job_id] = found.ids
            with suppress(Conflict):
                if action == "retry":
                    return job_id, retry(ledger, job_id).affected
                ledger.get(job_id).become_branch()
                return job_id, cancel(ledger, job_id).affected
            return job_id, 0

        position, n = await bench.store.write(act)
        if position == EVERYTHING:
            return touched
        touched += n


async def in_bulk(bench: Bench, action: Action, where: JobFilter) -> int:
    """Let a bulk act on them; how many were touched."""
    job = await bench.store.write(order, Order(action=action, asked={}, where=where))
    [mine] = await bench.hand.take(1, [bulk.KIND], root_id=0)
    await bench.hand.begin(mine)
    while await bench.store.write(work, bench.hand.worker_id, mine.id, mine.epoch) is Stand.MORE:
        pass
    account = msgspec.json.decode((await bench.job(job.id)).result or b"", type=Account)
    await bench.hand.end(mine)
    return account.affected


class StoreActing(StoreTests):
    """Part of `StoreContract`. `bench` comes from it."""

    @settings(
        max_examples=5 * DEEP,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
            HealthCheck.too_slow,
        ],
    )
    @given(
        on_error=st.none() | st.sampled_from(("fail", "continue", "retry")),
        story=_story,
        wishes=st.lists(_wishes, min_size=1, max_size=3),
    )
    async def test_a_bulk_leaves_what_acting_on_each_of_its_jobs_leaves(
        self, bench: Bench, on_error: str | None, story: Sequence[tuple[str, int, int]], wishes: Sequence[Wish]
    ) -> None:
        """Whatever they are: pending, running, with others below, waited for, limited, delayed."""
        each, many = Tree(bench, "each"), Tree(bench, "many")
        for tree in (each, many):
            await tree.begin(on_error)
            for move in story:
                await tree.go(*move)
        for wish in wishes:
            touched = await one_by_one(bench, wish.action, await each.chosen(wish))
            with batches_of(wish.most):
                assert await in_bulk(bench, wish.action, await many.chosen(wish)) == touched
            await alike(each, many)
            await bench.settle()
            await alike(each, many)
        await each.end()
        await many.end()
        await alike(each, many)


@contextmanager
def batches_of(most: int) -> Iterator[None]:
    """A bulk acts on so many jobs in one transaction."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "MOST_JOBS", most)
        yield
