"""The doorbell over NOTIFY keeps every promise of a doorbell, and sends little: gathered, and only what is watched."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path

import psycopg
import pytest
from tests import postgres

from quaero.doorbell import hints
from quaero.doorbell.postgres import APART_SECONDS, CHANNEL, PostgresDoorbell, channel_of
from quaero.engine.lifecycle.cancel import cancel
from quaero.gateway import lookout
from quaero.gateway.state import Gateway
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock
from quaero.testing.doorbellcontract import NOW, SOON, DoorbellContract

pytestmark = pytest.mark.anyio


class TestPostgresDoorbell(DoorbellContract):
    def open_doorbell(self, database: Path) -> PostgresDoorbell:
        bell = PostgresDoorbell(postgres.server(), channel_of(str(database)))
        assert bell.listens(30)
        return bell


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.fresh() as url:
        yield url


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Wire:
    """Everything that is sent on the channel of a store."""

    def __init__(self, url: str) -> None:
        self._db = psycopg.connect(url, autocommit=True)
        self._db.execute(f"listen {CHANNEL}".encode())

    def sent(self, seconds: float) -> list[hints.Hint]:
        """What came, until nothing has for so long."""
        return [hints.read(notice.payload) for notice in self._db.notifies(timeout=seconds)]

    def rings(self, seconds: float = 4 * NOW) -> list[hints.Hint]:
        return [hint for hint in self.sent(seconds) if hint.verb == "ring"]

    def wait_for_rings(self, n: int) -> None:
        """Until so many have come."""
        came = (notice for notice in self._db.notifies(timeout=SOON) if hints.read(notice.payload).verb == "ring")
        assert len(list(islice(came, n))) == n

    def close(self) -> None:
        self._db.close()


@pytest.fixture
async def bell(url: str, stack: ExitStack) -> PostgresDoorbell:
    bell = stack.enter_context(closing(PostgresDoorbell(url)))
    assert await asyncio.to_thread(bell.listens, 30)
    return bell


async def heeded(bell: PostgresDoorbell, trees: set[int]) -> None:
    """Wait until a bell knows that somebody heeds these trees, and no others."""
    async with asyncio.timeout(SOON):
        while bell._heeded.all != trees:
            await asyncio.sleep(0)


async def test_rings_leave_a_process_at_least_50_ms_apart(url: str, bell: PostgresDoorbell, stack: ExitStack) -> None:
    wire = stack.enter_context(closing(Wire(url)))
    began = time.monotonic()
    noting = asyncio.create_task(asyncio.to_thread(wire.wait_for_rings, 6))
    rung = 0
    while not noting.done():
        bell.ring()
        rung += 1
        await asyncio.sleep(0)
    took = time.monotonic() - began

    assert took >= 5 * APART_SECONDS
    assert rung > 6


async def test_nothing_is_sent_of_trees_that_nobody_watches(url: str, bell: PostgresDoorbell, stack: ExitStack) -> None:
    viewer = stack.enter_context(closing(PostgresDoorbell(url)))
    wire = stack.enter_context(closing(Wire(url)))
    viewer.heed([7, 8], False)
    await heeded(bell, {7, 8})

    bell.ring([5, 6], False)
    assert wire.rings() == []
    bell.ring([6, 7], False)
    assert [ring.trees for ring in wire.rings()] == [{7}]
    assert await viewer.wait(SOON)
    viewer.heed([], False)
    await heeded(bell, set())
    bell.ring([7, 8], False)
    assert wire.rings() == []


async def test_whoever_watches_is_not_woken_for_work_nor_a_worker_for_lines(
    url: str, bell: PostgresDoorbell, stack: ExitStack
) -> None:
    viewer, worker = (stack.enter_context(closing(PostgresDoorbell(url))) for _ in range(2))
    viewer.heed([7], False)
    await heeded(bell, {7})
    assert await asyncio.to_thread(worker.listens, 30)

    bell.ring([], True)
    assert await worker.wait(SOON)
    assert not await viewer.wait(NOW)
    bell.ring([7], False)
    assert await viewer.wait(SOON)
    assert not await worker.wait(NOW)


async def test_one_who_comes_later_learns_who_watches(url: str, bell: PostgresDoorbell, stack: ExitStack) -> None:
    bell.heed([7], False)
    late = stack.enter_context(closing(PostgresDoorbell(url)))

    await heeded(late, {7})
    late.ring([7], False)

    assert await bell.wait(SOON)


async def test_more_trees_than_can_be_named_are_all(url: str, bell: PostgresDoorbell, stack: ExitStack) -> None:
    viewer = stack.enter_context(closing(PostgresDoorbell(url)))
    viewer.heed(range(1, 10_000), False)
    async with asyncio.timeout(SOON):
        while bell._heeded.all is not None:
            await asyncio.sleep(0)

    bell.ring(range(1_000_000_000, 1_000_005_000), False)

    assert await viewer.wait(SOON)


async def test_a_text_that_is_none_of_ours_wakes_and_harms_nobody(url: str, bell: PostgresDoorbell) -> None:
    with psycopg.connect(url, autocommit=True) as stranger:
        for text in ("", "ring", "ring a 1 x,y", "heed a ,", "ring a 1 7 8", "é" * 100):
            stranger.execute("select pg_notify(%s, %s)", (CHANNEL, text))
            assert await bell.wait(SOON)


async def test_one_who_is_gone_for_long_is_watched_for_no_more() -> None:
    known = hints.Heeded()
    known.said("a", frozenset({1}), 0.0)
    known.said("b", frozenset({2}), 20.0)
    assert known.all == {1, 2}

    known.forget(30.0)

    assert known.all == {2}


async def test_what_a_ring_tells_of_is_there_when_it_is_heard(url: str, bell: PostgresDoorbell) -> None:
    """It is sent after the commit, never in it, and says what moved: lines are no work, a cancellation is."""
    clock = FakeClock()
    told: list[tuple[set[int], bool, int]] = []

    def on_commit(trees: object, work: bool) -> None:
        with psycopg.connect(url) as other:
            ((n,),) = other.execute("select count(*) from run").fetchall()
        told.append((set(trees), work, n))  # type: ignore[call-overload]

    async with SqlStore.open(url, clock=clock, on_commit=on_commit) as store:
        bench = await Bench.set_up(store, clock)
        root_id = await bench.root()
        assert told[-1] == (set(), True, 0)
        [job] = await bench.hand.take()
        assert told[-1][:2] == (set(), False)
        await bench.hand.begin(job)
        assert told[-1] == ({root_id}, False, 1)
        await bench.hand.say(job, "line")
        assert told[-1] == ({root_id}, False, 2)
        await bench.store.write(cancel, root_id)
        assert told[-1] == ({root_id}, True, 3)
        await bench.hand.end(job)
        told.clear()
        await bench.store.write(lambda ledger: None)
        assert told == []


async def test_rings_alone_bring_lines_to_a_viewer(
    url: str, bell: PostgresDoorbell, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway says what it watches, a worker's commits ring for it, and nobody has to look in between."""
    monkeypatch.setattr(lookout, "POLL_EVERY", 60.0)
    ringing = stack.enter_context(closing(PostgresDoorbell(url)))
    clock = FakeClock()
    async with SqlStore.open(url, clock=clock, on_commit=ringing.ring) as writer, SqlStore.open(url) as reader:
        bench = await Bench.set_up(writer, clock)
        job = await bench.running()
        gateway = Gateway(reader, "1", bell=bell)
        running = asyncio.create_task(gateway.feed.run())
        scope = await gateway.feed.scope(job.id, level="debug")
        following = await gateway.feed.follow(scope, cursor=None, limit=1_000)
        await heeded(ringing, {job.id})

        async with asyncio.timeout(SOON):
            for n in range(3):
                await bench.hand.say(job, f"line {n}")
                while f"line {n}".encode() not in (await anext(following)).data:
                    continue

        following.close()
        running.cancel()
        await asyncio.wait({running})
        await bench.hand.end(job)


async def test_rings_that_cannot_be_sent_are_gathered_as_all_trees() -> None:
    """As long as the server takes no connection of it, while another of this process still commits."""
    with closing(PostgresDoorbell("postgresql://nobody@127.0.0.1:1/nowhere")) as bell:
        bell._heeded.said("gateway", None, time.monotonic())
        for first in range(1, 200_000, 1_000):
            bell.ring(range(first, first + 1_000), work=False)

        assert hints.MOST_TREES < len(bell._due_trees) <= hints.MOST_TREES + 1_000
