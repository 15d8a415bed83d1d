"""What colours a map when it is not the status: read once for all who watch, growing while children run, not stale."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest
from tests.unit.gateway.watching import Watched

from quaero.domain.cursor import Cursor
from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import COMPLETED, FAILED, PENDING
from quaero.gateway.mapcolours import UNKNOWN, Colours
from quaero.gateway.mapsubscription import MapSubscription
from quaero.storage.childmap import duration_code
from quaero.storage.port import Change
from quaero.storage.sqlstore import SqlStore
from quaero.testing.bench import Bench
from quaero.testing.clock import FakeClock
from quaero.testing.factories import an_error, began, ended

pytestmark = pytest.mark.anyio


class CountingStore(SqlStore):
    """Notes which children were read for their colours."""

    read: list[Collection[int]]

    async def child_durations(self, ids: Collection[int]) -> dict[int, int]:
        self.read.append(sorted(ids))
        return await super().child_durations(ids)


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[CountingStore]:
    async with CountingStore.open(f"sqlite:///{tmp_path}/quaero.db", clock=clock) as opened:
        opened.read = []
        yield opened


async def running(bench: Bench, n: int) -> tuple[int, list[Job]]:
    """A parent with three children, of which `n` have begun now."""
    parent, _ = await bench.family(3)
    taken = await bench.hand.take(n, root_id=parent.id)
    await bench.hand.tell(*(began(job, bench.clock.now()) for job in taken))
    return parent.id, taken


async def watching(bench: Bench, parent_id: int, beside: Watched | None = None) -> Watched:
    """A viewer of the map by duration, from how it stands now on."""
    assert isinstance(bench.store, SqlStore)
    found = await bench.store.child_map(parent_id, "duration")
    assert found is not None
    watched = Watched(bench, bench.store, beside=beside)
    cursor = Cursor(bench.store.incarnation, parent_id, found.head).token
    await watched.subscribe(id=1, topic=f"map:{parent_id}", by="duration", cursor=cursor)
    return watched


def told(watched: Watched) -> dict[int, int]:
    """The newest code of each child a viewer was told, of those that have begun."""
    codes = {job_id: code for payload in watched.payloads("map") for job_id, code in payload["changes"]}
    return {job_id: code for job_id, code in codes.items() if code}


def moved(seq: int, status: int) -> Change:
    """A change of a child whose id is said beside it."""
    return Change(seq, 0, None, status)


async def recorded(watched: Watched, *changes: Change) -> None:
    """What the feed tells of a tree, and what the connection writes then."""
    [subscription] = watched.connection._number_of
    assert isinstance(subscription, MapSubscription)
    await subscription._take(changes, changes[-1].seq)
    await watched.connection.flush()


async def test_the_time_of_running_children_goes_on_without_any_change(bench: Bench) -> None:
    parent_id, taken = await running(bench, 2)
    watched = await watching(bench, parent_id)

    await bench.clock.advance(5.0)
    await watched.connection.flush()

    assert told(watched) == {job.id: duration_code(5_000) for job in taken}
    before = len(watched.told)
    await bench.clock.advance(1.0)
    await watched.connection.flush()
    again = watched.payloads("map")[-1]["changes"] if len(watched.told) > before else []
    assert again == [[job.id, duration_code(6_000)] for job in taken]


async def test_an_end_is_not_taken_back_by_what_was_read_before_it(bench: Bench) -> None:
    parent_id, [child, other] = await running(bench, 2)
    first = await watching(bench, parent_id)
    await bench.clock.advance(0.4)
    second = await watching(bench, parent_id, beside=first)
    await bench.clock.advance(0.6)
    await first.connection.flush()  # reads what grows, for both
    await bench.clock.advance(0.2)
    await bench.hand.tell(ended(child, at=bench.clock.now()))
    seq = (await bench.job(child.id)).last_seq

    await recorded(second, Change(seq, child.id, None, COMPLETED))
    await bench.clock.advance(0.3)  # its turn to look, at what is remembered
    await second.connection.flush()

    assert told(second) == {child.id: duration_code(1_200), other.id: duration_code(1_000)}


async def test_what_one_viewer_was_told_is_not_read_again_for_the_next(bench: Bench, store: CountingStore) -> None:
    _, taken = await running(bench, 3)
    colours = Colours(store, bench.clock)
    changed = {job.id: moved(10 + n, COMPLETED) for n, job in enumerate(taken)}

    await colours.durations(changed)
    await colours.durations(changed)
    await colours.durations({taken[0].id: moved(50, COMPLETED), taken[1].id: moved(11, COMPLETED)})
    await colours.durations({taken[2].id: moved(UNKNOWN, COMPLETED)})
    await colours.durations({taken[2].id: moved(12, COMPLETED)})

    ids = [job.id for job in taken]
    assert store.read == [ids, [ids[0]], [ids[2]], [ids[2]]]


async def test_a_pending_child_has_no_time_and_is_not_read(bench: Bench, store: CountingStore) -> None:
    _, [child] = await running(bench, 1)

    assert await Colours(store, bench.clock).durations({child.id: moved(9, PENDING)}) == {child.id: 0}
    assert store.read == []


async def test_a_group_that_is_younger_than_what_is_remembered_is_found(bench: Bench, store: CountingStore) -> None:
    parent_id, [first, second] = await running(bench, 2)
    colours = Colours(store, bench.clock)
    names = []
    for child, words in ((first, "the bridge is up"), (second, "the harbour is closed")):
        await bench.hand.tell(ended(child, How.FAILED, error=an_error(words, final=True)))
        failures = await colours.failures({child.id: moved(9, FAILED), 0: moved(9, COMPLETED)})
        found = {failure for failure in failures.values() if failure}
        names += [group.message for group in await colours.groups(parent_id, found)]

    assert names == ["the bridge is up", "the harbour is closed"]
