"""The state plane: what it costs, what it tells of whom, and that a filter means the same everywhere."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.unit.gateway.sockets import client_of, served
from tests.unit.gateway.watching import THRESHOLD, Watched

from quaero.clock import SystemClock
from quaero.domain.errors import StoreUnavailable
from quaero.domain.facts import How
from quaero.domain.messages import OLDER_TYPES
from quaero.domain.status import COMPLETED, FAILED, RUNNING
from quaero.gateway import lifecycle
from quaero.gateway.connection import Connection
from quaero.gateway.matching import matches
from quaero.gateway.state import Gateway
from quaero.gateway.subscription import _pieces
from quaero.settings import Settings, WebSocket
from quaero.storage.port import JobFilter
from quaero.storage.sqlstore import SqlStore
from quaero.testing.bench import Bench
from quaero.testing.clock import FakeClock
from quaero.testing.factories import a_child, a_definition, a_root, a_step, an_error, ended, progressed

pytestmark = pytest.mark.anyio
T = TypeVar("T")


class CountingStore(SqlStore):
    """A store that counts its reads by what is read."""

    reads: Counter[str] = Counter()

    async def _read(self, read: Callable[..., T], *args: Any) -> T:
        self.reads[read.__name__] += 1
        return await super()._read(read, *args)


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[SqlStore]:
    async with CountingStore.open(f"sqlite:///{tmp_path}/quaero.db", clock=clock) as opened:
        yield opened


async def reads_of(bench: Bench, store: SqlStore, viewers: int) -> tuple[int, list[Watched]]:
    """How many reads it takes to show a tree moving to so many viewers."""
    parent, _ = await bench.family(30)
    first = Watched(bench, store)
    everyone = [first, *(Watched(bench, store, beside=first) for _ in range(viewers - 1))]
    for one in everyone:
        await one.subscribe(id=1, topic=f"job:{parent.id}", rows=True)
        await one.subscribe(id=2, topic=f"children:{parent.id}", rows=True, limit=30)
    CountingStore.reads.clear()
    for job in await bench.hand.take(10, root_id=parent.id):
        await bench.hand.begin(job)
        await first.pass_time(0.5)
        await bench.hand.end(job)
        await first.pass_time(0.5)
    return sum(CountingStore.reads.values()), everyone


async def test_reads_grow_with_what_is_watched_and_not_with_viewers(bench: Bench, store: SqlStore) -> None:
    alone, _ = await reads_of(bench, store, 1)
    many, everyone = await reads_of(bench, store, 40)

    assert many <= alone * 1.2
    assert all(one.payloads("snapshot")[-1]["rows"] for one in everyone)
    texts = [one.payloads("snapshot") for one in everyone]
    assert all(text == texts[0] for text in texts)


async def reads_while_much_is_new(bench: Bench, store: SqlStore, viewers: int) -> tuple[int, list[Watched]]:
    """How many reads it takes to show lists that change and what fails to so many viewers."""
    parent, _ = await bench.family(30)
    first = Watched(bench, store)
    everyone = [first, *(Watched(bench, store, beside=first) for _ in range(viewers - 1))]
    for one in everyone:
        await one.subscribe(id=1, topic=f"job:{parent.id}", rows=True, errors=True)
        await one.subscribe(id=2, topic=f"children:{parent.id}", rows=True, status="running")
        await one.subscribe(id=3, topic="jobs", rows=True)
        await one.follow_lifecycle()
    CountingStore.reads.clear()
    for job in await bench.hand.take(10, root_id=parent.id):
        await bench.hand.begin(job)
        await bench.definition(a_definition(a_step("one")))
        await first.pass_time(0.5)
        await bench.hand.tell(ended(job, How.FAILED, error=an_error(final=True)))
        await first.pass_time(0.5)
    await first.pass_time(2.0)
    return sum(CountingStore.reads.values()), everyone


async def test_reads_of_lists_and_failures_do_not_grow_with_viewers_either(bench: Bench, store: SqlStore) -> None:
    alone, _ = await reads_while_much_is_new(bench, store, 1)
    many, everyone = await reads_while_much_is_new(bench, store, 20)

    assert many <= alone * 1.2
    for one in everyone:
        snapshots = one.payloads("snapshot")
        assert [group["count"] for group in [p["errors"] for p in snapshots if "errors" in p][-1]] == [10]
        assert len({row["id"] for p in snapshots if p["id"] == 2 for row in p["rows"]}) == 10
        assert len({row["id"] for p in snapshots if p["id"] == 3 for row in p["rows"]}) >= 11


async def test_what_nobody_looks_at_is_not_read(bench: Bench, store: SqlStore) -> None:
    watched = Watched(bench, store)
    parent, _ = await bench.family(5)
    await watched.subscribe(id=1, topic=f"children:{parent.id}", rows=True)
    await watched.subscribe(id=2, topic="jobs")
    watched.connection.close()
    CountingStore.reads.clear()

    await bench.hand.end(parent)
    await bench.finish()
    await watched.plane.interest.look()

    assert watched.plane.interest.watched == 0
    assert not CountingStore.reads


async def test_a_sweep_reads_at_most_so_many_rows_at_once_and_the_rest_later(
    bench: Bench, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quaero.gateway.interest.MOST_READ", 7)
    watched = Watched(bench, store)
    parent, _ = await bench.family(40)
    await watched.subscribe(id=1, topic=f"children:{parent.id}", rows=True, limit=40)
    await bench.hand.end(parent)
    await bench.finish()

    await watched.look()
    after_one = len({row["id"] for p in watched.payloads("snapshot")[1:] for row in p["rows"]})
    for _ in range(10):
        await watched.look()
    rows = {row["id"]: row["status"] for p in watched.payloads("snapshot") for row in p["rows"]}

    assert after_one <= 7
    assert set(rows.values()) == {"completed"}


async def test_progress_of_a_running_row_is_told_although_its_tree_did_not_move(bench: Bench, store: SqlStore) -> None:
    watched = Watched(bench, store)
    parent, _ = await bench.family(2)
    [child] = await bench.hand.take(1, root_id=parent.id)
    await bench.hand.begin(child)
    await watched.subscribe(id=1, topic=f"children:{parent.id}", rows=True)
    await watched.look()

    await bench.hand.tell(progressed(child, current=1, total=2))
    await watched.pass_time(1.0)

    assert watched.payloads("snapshot")[-1]["rows"][0]["progress"]["current"] == 1


class FlakyStore(SqlStore):
    """A store that cannot be read while it is told so."""

    is_down = False

    async def _read(self, read: Callable[..., T], *args: Any) -> T:
        if self.is_down:
            raise StoreUnavailable("the store is away")
        return await super()._read(read, *args)


async def test_a_store_that_is_away_delays_what_is_told_and_loses_nothing(tmp_path: Path) -> None:
    async with FlakyStore.open(f"sqlite:///{tmp_path}/quaero.db") as store:
        bench = await Bench.set_up(store, SystemClock(), lease=10**12)
        parent, children = await bench.family(3)
        quick = Settings(websocket=WebSocket(time_threshold=50_000))
        async with served(Gateway(store, "1", settings=quick)) as port, client_of(port) as client:
            await client.say(
                "subscribe", id=1, topic=f"children:{parent.id}", rows=True, limit=0, ids=[str(children[0])]
            )
            await client.say("subscribe", id=2, topic="jobs", rows=True)
            await client.until(lambda: {1, 2} <= client.rows.keys())

            store.is_down = True
            await client.say("ids", id=1, add=[str(children[1])])
            await client.say("ping", n=1)
            await client.first("pong", n=1)
            await bench.hand.end(*await bench.hand.take(1, root_id=parent.id))
            new = await bench.root()
            store.is_down = False

            await client.until(lambda: str(children[1]) in client.rows[1] and str(new) in client.rows[2])
            await client.until(lambda: client.rows[1][str(children[0])]["status"] == "completed")


# --- without a subscription


async def test_many_new_roots_are_told_as_one_message_with_their_count(bench: Bench, store: SqlStore) -> None:
    watched = Watched(bench, store)
    await watched.follow_lifecycle()

    await bench.root(*(a_root(name=f"n{n}") for n in range(lifecycle.MANY + 5)))
    await watched.look()
    await bench.root(a_root(name="one more"))
    await watched.pass_time(1.0)

    told = [(p["count"], p["name"]) for p in watched.payloads("job_created")]
    assert told == [(lifecycle.MANY + 5, f"n{lifecycle.MANY + 4}"), (1, "one more")]


async def test_a_step_that_was_open_before_is_told_of_from_then_on(bench: Bench, store: SqlStore) -> None:
    _, steps = await bench.definition(a_definition(a_step("one"), a_step("two", depends="one")))
    watched = Watched(bench, store)
    await watched.follow_lifecycle()
    assert watched.told == []

    await bench.finish()
    await watched.pass_time(2.0)

    ends = [step for p in watched.payloads("refresh_step_events") if p["finished"] for step in p["step_ids"]]
    assert sorted(ends) == sorted(map(str, steps.values()))
    assert watched.plane.interest.watched == 0


async def test_who_reads_too_slowly_is_told_to_read_the_lists(
    bench: Bench, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "MOST_WAITING", 10)
    watched = Watched(bench, store)
    await watched.follow_lifecycle()

    await bench.root(*(a_root() for _ in range(30)))
    await watched.look()
    await watched.look()

    [error] = watched.payloads("error")
    assert error["type"] == "urn:quaero:overflow"


# --- which types


async def test_older_names_come_only_when_listed_and_then_nothing_else(bench: Bench, store: SqlStore) -> None:
    usual, listed = Watched(bench, store), Watched(bench, store, allowed_events=list(OLDER_TYPES))
    root_id, _ = await bench.definition(a_definition(a_step("one")))
    for one in (usual, listed):
        await one.subscribe(id=1, topic=f"job:{root_id}")

    [job] = await bench.hand.take(root_id=root_id)
    await bench.hand.begin(job)
    for one in (usual, listed):
        await one.pass_time(1.0)
    await bench.hand.end(job)
    for one in (usual, listed):
        await one.pass_time(2.0)

    kinds = {kind for _, kind, _ in listed.told} - {"snapshot"}
    assert kinds == set(OLDER_TYPES) - {"job_failed", "job_cancelled"}
    assert not {kind for _, kind, _ in usual.told} & set(OLDER_TYPES)
    assert {p["status"] for p in listed.payloads("job_completed")} == {"completed"}


async def test_a_crawl_tells_its_counts_and_the_page_it_is_at(clock: FakeClock, store: SqlStore) -> None:
    bench = await Bench.set_up(store, clock, kinds=("crawler", "crawler.page"), lease=10**12)
    watched = Watched(bench, store)
    crawl = await bench.running(a_root("crawler"))
    await watched.subscribe(id=1, topic=f"job:{crawl.id}")
    await bench.hand.spawn(crawl, [a_child("crawler.page", payload={"url": f"https://e.org/{n}"}) for n in range(2)])
    page, other = await bench.hand.take(root_id=crawl.id)
    await bench.hand.begin(page)
    await bench.hand.tell(progressed(page, counts={"pages": 1, "links_found": 7, "links_filtered": 3}))
    await watched.pass_time(2.0)
    during = watched.payloads("crawler_job_progress")[-1]
    await bench.hand.end(crawl, page, other)
    await bench.finish()
    await watched.pass_time(2.0)
    after = watched.payloads("crawler_job_progress")[-1]

    assert during["current_url"] == "https://e.org/0"
    assert (during["pages"], during["links_found"], during["links_filtered"]) == (1, 7, 3)
    assert during["progress_text"] == "1 pending, 1 running, 0 completed, 0 failed"
    assert (after["current_url"], after["status"], after["completed"]) == (None, "completed", 2)


async def test_a_type_has_the_interval_it_was_given(bench: Bench, store: SqlStore) -> None:
    watched = Watched(bench, store, throttle_intervals={"parent_job_progress": 5_000_000})
    parent, _ = await bench.family(8)
    await watched.subscribe(id=1, topic=f"job:{parent.id}")

    for job in await bench.hand.take(root_id=parent.id):
        await bench.hand.end(job)
        await watched.pass_time(1.0)

    moments = [when for when, _, _ in watched.of("parent_job_progress")]
    assert len(moments) == 2
    assert moments[1] - moments[0] >= 5.0


# --- filters and sizes


async def test_a_filter_at_hand_says_what_the_filter_of_the_store_says(bench: Bench, store: SqlStore) -> None:
    await bench.root(a_root(name="Ärger 100%", tags=("red", "blue"), key="K1"))
    await bench.root(a_root("other", tags=("blueish",)))
    bench.clock.move(100)
    parent, children = await bench.family(4)
    await bench.definition(a_definition(a_step("one")))
    taken = await bench.hand.take(2, root_id=parent.id)
    await bench.hand.tell(ended(taken[0]), ended(taken[1], How.FAILED, error=an_error("no 7", final=True)))
    [group] = await store.errors(parent.id)
    ids = [row[0] for row in await store.rows("select id from job where id > 0 order by id")]
    every = await store.jobs_by_id(ids)
    cases = [
        JobFilter(roots=True),
        JobFilter(parent_id=parent.id),
        JobFilter(parent_id=parent.id, statuses=(COMPLETED, FAILED)),
        JobFilter(roots=True, statuses=(RUNNING,)),
        JobFilter(roots=True, kind="other"),
        JobFilter(roots=True, tag="blue"),
        JobFilter(roots=True, definition="news"),
        JobFilter(roots=True, created_after=parent.created_at),
        JobFilter(roots=True, created_before=parent.created_at),
        JobFilter(parent_id=parent.id, fingerprint=group.fingerprint),
        *(JobFilter(roots=True, q=q) for q in ("k1", "Ärger", "ärger", "100%", "1_0", "OTHER", str(parent.id), "007")),
        JobFilter(parent_id=parent.id, q=str(children[2])),
    ]

    for where in cases:
        page = await store.jobs(where, limit=1_000)
        assert [job.id for job in page.jobs] == [job.id for job in reversed(every) if matches(where, job)], where


@pytest.mark.parametrize(("sizes", "pieces"), [([], 1), ([10], 1), ([100_000], 1), ([20_000] * 5, 5), ([10] * 9, 1)])
def test_a_snapshot_is_cut_into_messages_of_a_bounded_size(sizes: list[int], pieces: int) -> None:
    cut = _pieces(["x" * size for size in sizes])

    assert len(cut) == pieces
    assert [len(row) for piece in cut for row in piece] == sizes


async def test_a_connection_is_not_woken_before_it_may_tell(
    store: SqlStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await bench.running()
    watched = Watched(bench, store)
    await watched.subscribe(id=1, topic=f"job:{job.id}", rows=True)
    woken = 0
    flush = Connection.flush

    async def counted(connection: Connection) -> None:
        nonlocal woken
        woken += 1
        await flush(connection)

    async def settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def moved(*facts: Any) -> None:
        await bench.hand.tell(*facts)
        await watched.lookout._look()
        await watched.plane.interest.look()
        await settle()

    writing = asyncio.create_task(watched.connection.write())
    await settle()
    monkeypatch.setattr(Connection, "flush", counted)
    for n in range(4):
        await moved(progressed(job, current=n + 1, total=9))
        assert woken == 1, "one change is told at once, the others when they may be"
        bench.clock.move(THRESHOLD / 10)
    await moved(ended(job))
    assert woken == 2, "an end is told at once"

    writing.cancel()
    await asyncio.wait({writing})
    assert [row["rows"][0]["status"] for row in watched.payloads("snapshot")] == ["running", "running", "completed"]
