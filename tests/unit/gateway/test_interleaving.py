"""What may happen between two steps of a gateway, in the order that hurts: nobody misses anything, nothing is kept."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.gateway.sockets import PATIENCE, client_of, served
from tests.unit.gateway.watching import Watched

from quaero.domain.errors import StoreUnavailable
from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.doorbell.port import Silence
from quaero.engine.lifecycle.retry import delete
from quaero.gateway import channel, interest, kin, view
from quaero.gateway.connection import Connection
from quaero.gateway.interest import Interest
from quaero.gateway.kin import Kin
from quaero.gateway.lifecycle import Lifecycle
from quaero.gateway.logsubscription import LogSubscription
from quaero.gateway.queuestate import QueueState
from quaero.gateway.remembered import Remembered
from quaero.gateway.roots import Roots
from quaero.gateway.socketprotocol import Line
from quaero.gateway.state import Gateway
from quaero.settings import Logs, Settings, WebSocket
from quaero.storage.sqlstore import SqlStore
from quaero.testing.bench import Bench
from quaero.testing.clock import FakeClock
from quaero.testing.factories import a_child, an_error, ended

pytestmark = pytest.mark.anyio
RESET = struct.pack("ii", 1, 0)


class FailingStore(SqlStore):
    """A store whose n-th read from now on cannot be done."""

    good_reads: int | None = None

    async def _read(self, read: Callable[..., Any], *args: Any) -> Any:
        if self.good_reads is not None:
            self.good_reads -= 1
            if self.good_reads < 0:
                self.good_reads = None
                raise StoreUnavailable("just now")
        return await super()._read(read, *args)


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[FailingStore]:
    async with FailingStore.open(f"sqlite:///{tmp_path}/quaero.db", clock=clock) as opened:
        yield opened


class Halt:
    """A place in the gateway where whoever comes waits until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self.opened.wait()

    def before(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        """Stand before a method."""
        method = getattr(owner, name)

        async def halted(*args: Any, **kwargs: Any) -> Any:
            await self()
            return await method(*args, **kwargs)

        monkeypatch.setattr(owner, name, halted)

    def after(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        """Stand behind a method, once it has its answer."""
        method = getattr(owner, name)

        async def halted(*args: Any, **kwargs: Any) -> Any:
            answer = await method(*args, **kwargs)
            await self()
            return answer

        monkeypatch.setattr(owner, name, halted)


def opened_stream(port: int, job_id: int) -> socket.socket:
    """A connection that asked for a job's log."""
    line = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    request = f"GET /api/jobs/{job_id}/logs/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    line.sendall(request.encode())
    line.setblocking(False)
    return line


@asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[None]:
    """A gateway's feed runs."""
    task = asyncio.create_task(gateway.feed.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


# --- streams


async def test_who_is_gone_before_the_stream_begins_is_forgotten(
    store: SqlStore, bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = Gateway(store, "1")
    job = await bench.running()
    halt, lost = Halt(), asyncio.Event()
    halt.before(monkeypatch, gateway.feed, "follow")
    lose = channel.Protocol.connection_lost

    def noted(self: channel.Protocol, error: Exception | None) -> None:
        lose(self, error)
        lost.set()

    monkeypatch.setattr(channel.Protocol, "connection_lost", noted)
    async with asyncio.timeout(PATIENCE), served(gateway) as port:
        line = opened_stream(port, job.id)
        await halt.reached.wait()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        line.close()
        await lost.wait()

        with caplog.at_level(logging.WARNING):
            halt.opened.set()
            while gateway.requests.by_route == {} or len(gateway.viewers):
                await asyncio.sleep(0)

        assert not any(view.is_followed for tail in gateway.feed._tails.values() for view in tail.views.values())
    assert not caplog.records


async def test_who_comes_while_others_are_sent_away_is_sent_away_too(
    store: SqlStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(store, "1")
    job = await bench.running()
    halt = Halt()
    halt.before(monkeypatch, gateway.feed, "follow")
    async with asyncio.timeout(PATIENCE), served(gateway) as port:
        with opened_stream(port, job.id) as line:
            await halt.reached.wait()
            gateway.viewers.send_away(iter(range(1_000, 2_000)))
            halt.opened.set()
            reader, writer = await asyncio.open_connection(sock=line)
            told = await reader.readuntil(b"event: bye")
            writer.close()
    assert b"event: hello" in told


async def test_a_feed_that_breaks_while_a_viewer_comes_leaves_nobody_waiting(
    store: SqlStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(store, "1")
    job = await bench.running()
    scope = await gateway.feed.scope(job.id)
    halt = Halt()
    halt.before(monkeypatch, gateway.feed, "_start_of_last")
    async with asyncio.timeout(PATIENCE), running(gateway):
        coming = asyncio.create_task(gateway.feed.follow(scope))
        await halt.reached.wait()
        gateway.feed._tails[job.id]._break_off()
        halt.opened.set()
        with pytest.raises(StoreUnavailable):
            await coming


async def test_a_feed_that_took_the_place_of_a_broken_one_stays_and_the_broken_one_is_let_go(
    store: SqlStore, bench: Bench, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(store, "1", clock=clock)
    job = await bench.running()
    feed, halt, again = gateway.feed, Halt(), Halt()
    async with asyncio.timeout(PATIENCE), aclosing(feed.changes(job.id)) as first:
        await anext(first)
        broken = feed._tails[job.id]
        halt.before(monkeypatch, broken, "tell_quiet")
        ticking = asyncio.create_task(feed._tick())
        while not halt.reached.is_set():
            await asyncio.sleep(0)
            await clock.advance(1)
        broken._break_off()
        async with aclosing(feed.changes(job.id)) as second:
            await anext(second)
            new = feed._tails[job.id]
            assert new is not broken
            assert [len(watchers) for watchers in gateway.lookout._watchers.values()] == [1]

            again.before(monkeypatch, new, "tell_quiet")
            halt.opened.set()
            while not again.reached.is_set():
                assert feed._tails == {job.id: new}
                await asyncio.sleep(0)
                await clock.advance(1)
        ticking.cancel()
        await asyncio.wait({ticking})


async def test_a_look_that_failed_is_followed_by_the_next_one(
    store: SqlStore, bench: Bench, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Cracked(Silence):
        """A doorbell that fails once."""

        failures = 1

        def heed(self, trees: Collection[int], work: bool) -> None:
            self.failures -= 1
            if self.failures == 0:
                raise OSError("no room")

    gateway = Gateway(store, "1", clock=clock, bell=Cracked())
    job = await bench.running()
    halt = Halt()
    async with asyncio.timeout(PATIENCE), running(gateway), aclosing(gateway.feed.changes(job.id)) as changes:
        await anext(changes)
        tail = gateway.feed._tails[job.id]
        halt.before(monkeypatch, tail, "tell_quiet")
        again = tail.tell_quiet
        monkeypatch.setattr(tail, "tell_quiet", None)
        while len(caplog.records) < 2:
            await asyncio.sleep(0)
            await clock.advance(1)
        monkeypatch.setattr(tail, "tell_quiet", again)
        halt.opened.set()
        while not (halt.reached.is_set() and gateway.lookout.looks):
            await asyncio.sleep(0)
            await clock.advance(1)


async def test_changes_of_a_tree_that_was_deleted_end(store: SqlStore, bench: Bench) -> None:
    gateway = Gateway(store, "1")
    job = await bench.running()
    await bench.hand.say(job, "line")
    await bench.hand.end(job)
    async with asyncio.timeout(PATIENCE), aclosing(gateway.feed.changes(job.id, after=0)) as changes:
        assert (await anext(changes)).to == 0
        await store.write(delete, job.id)
        with pytest.raises(StopAsyncIteration):
            await anext(changes)


async def test_parents_that_were_learned_are_not_forgotten_while_others_are(
    store: SqlStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, children = await bench.family(4)
    known = Kin(store)
    await known.learn(children[:3])
    halt = Halt()
    halt.after(monkeypatch, store, "parents")

    first = asyncio.create_task(known.learn(children, up_to=parent.id))
    await halt.reached.wait()
    monkeypatch.undo()
    monkeypatch.setattr(kin, "MOST", 2)
    await known.learn([parent.id])
    halt.opened.set()
    await first

    assert all(known.is_below(child, parent.id) for child in children)


# --- state


async def test_a_root_is_not_lost_to_a_second_viewer_who_comes_at_the_same_moment(
    store: SqlStore, bench: Bench, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Heard:
        def __init__(self) -> None:
            self.ids: list[int] = []

        def root_moved(self, row: Any, before: Job | None, *, is_new: bool) -> None:
            self.ids.append(row.job.id)

    roots, one, two = Roots(store, clock), Heard(), Heard()
    halt = Halt()
    newest = store.newest
    asked = 0

    async def second_is_late() -> Any:
        nonlocal asked
        asked += 1
        if asked == 2:
            await halt()
        return await newest()

    monkeypatch.setattr(store, "newest", second_is_late)
    coming = asyncio.create_task(roots.follow(one)), asyncio.create_task(roots.follow(two))
    await coming[0]
    root_id = await bench.root()
    halt.opened.set()
    await asyncio.gather(*coming)
    await roots.look()

    assert one.ids == [root_id]


async def test_what_moves_while_its_row_is_read_is_read_again(
    store: SqlStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await bench.running()
    await bench.hand.tell(ended(job, How.FAILED, error=an_error(final=True)))
    watched = Watched(bench, store)
    await watched.subscribe(id=1, topic=f"job:{job.id}", rows=True)
    await watched.look()
    halt = Halt()
    halt.after(monkeypatch, store, "marks")

    looking = asyncio.create_task(watched.plane.interest.look())
    watched.plane.interest._due[job.id] = None
    await halt.reached.wait()
    monkeypatch.undo()
    await bench.retry(job.id)
    await watched.lookout._look()
    halt.opened.set()
    await looking
    await watched.look()

    rows = {row["id"]: row["status"] for p in watched.payloads("snapshot") for row in p["rows"]}
    assert rows == {str(job.id): "pending"}


@pytest.mark.parametrize("good_reads", range(8))
async def test_a_list_is_whole_whichever_read_fails_on_the_way(
    store: FailingStore, bench: Bench, good_reads: int
) -> None:
    parent, children = await bench.family(2)
    other = await bench.root()
    watched = Watched(bench, store)
    await watched.subscribe(id=1, topic="jobs", rows=True)
    await watched.subscribe(id=2, topic=f"children:{parent.id}", rows=True)
    await watched.subscribe(id=3, topic="jobs", rows=True, limit=0)
    await watched.pass_time(2)
    new = await bench.running()
    [child] = await bench.hand.spawn(parent, [a_child()])
    watched.connection._by_id[3].show([other], [])
    await watched.lookout._look()
    await watched.plane.interest.look()
    await watched.plane.roots.look()

    store.good_reads = good_reads
    await watched.connection.flush()
    store.good_reads = None
    await watched.pass_time(2)

    told = watched.payloads("snapshot")
    shown = {n: {row["id"] for p in told if p["id"] == n for row in p["rows"]} for n in (1, 2, 3)}
    assert shown == {
        1: {str(parent.id), str(other), str(new.id)}, 2: {*map(str, children), str(child)}, 3: {str(other), str(new.id)}
    }  # fmt: skip


async def test_others_have_their_turn_while_many_rows_are_told(
    store: SqlStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, children = await bench.family(3)
    now, turns, turns_seen = 0.0, 0, []

    class Busy:
        """It takes long to tell it of a row."""

        def moved(self, row: Any, before: Job | None) -> None:
            nonlocal now
            now += 1.0
            turns_seen.append(turns)

        def gone(self, job_id: int) -> None:
            raise AssertionError

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    looks = Interest(store, Gateway(store, "1").lookout, bench.clock)
    await looks.watch(Busy(), await store.jobs_by_id(children))
    await bench.hand.begin(*await bench.hand.take(3, root_id=parent.id))
    monkeypatch.setattr(interest, "time", SimpleNamespace(perf_counter=lambda: now))
    beside = asyncio.create_task(others())
    await looks.look()
    beside.cancel()

    assert len(set(turns_seen)) == 3


async def test_the_queue_is_read_once_for_all_who_come_together(
    store: SqlStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    stats = store.stats

    async def counted() -> Any:
        nonlocal reads
        reads += 1
        return await stats()

    monkeypatch.setattr(store, "stats", counted)
    queue = QueueState(store, clock)
    texts = await asyncio.gather(*(queue.read() for _ in range(50)))
    assert (len(set(texts)), reads) == (1, 1)
    clock.move(1.0)
    await queue.read()
    assert reads == 2


async def test_what_was_remembered_for_a_moment_is_let_go_after_it(clock: FakeClock) -> None:
    remembered = Remembered[int, int](clock, 1.0)

    async def find() -> int:
        return 1

    for n in range(10):
        await remembered.get(n, find)
        clock.move(0.5)
    assert len(remembered._found) == 2


async def test_who_follows_the_lifecycle_keeps_nothing_of_roots_that_ended(store: SqlStore, bench: Bench) -> None:
    watched = Watched(bench, store)
    await watched.follow_lifecycle()
    for _ in range(3):
        parent, _ = await bench.family(2)
        await watched.pass_time(1)
        await bench.hand.end(parent)
        await bench.finish()
        await watched.pass_time(2)

    assert len(watched.payloads("job_spawn")) == 3
    [followed] = watched.connection._number_of
    assert isinstance(followed, Lifecycle)
    assert (followed._style._children, followed._ended, followed._pending) == ({}, {}, {})


# --- the order of what is told


async def test_messages_leave_in_the_order_they_came_whoever_waits_for_room() -> None:
    sent: list[str] = []
    room = asyncio.Event()

    class Narrow(Line):
        def write(self, text: str) -> bool:
            if room.is_set():
                sent.append(text)
            return room.is_set()

    async def transport(message: Any) -> None:
        await room.wait()
        sent.append(message["text"])

    connection = Connection(transport, FakeClock(), Narrow())
    waiting = asyncio.create_task(connection.send("the last line"))
    await asyncio.sleep(0)
    room.set()
    await connection.send("the end")
    await waiting

    assert sent == ["the last line", "the end"]


class SlowReader(Watched):
    """A client that takes its logs only when told to."""

    def __init__(self, bench: Bench, store: SqlStore) -> None:
        super().__init__(bench, store)
        self.halt = Halt()

    async def _record(self, message: Any) -> None:
        if '"logs"' in message["text"][:20]:
            await self.halt()
        await super()._record(message)


async def test_an_end_that_waited_for_a_log_is_told_when_the_log_is_left(store: SqlStore, bench: Bench) -> None:
    parent, _ = await bench.family(1)
    await bench.hand.say(parent, *("x" * 30_000 for _ in range(4)))
    watched = SlowReader(bench, store)
    await watched.subscribe(id=1, topic=f"children:{parent.id}", rows=True)
    async with asyncio.timeout(PATIENCE):
        await watched.subscribe(id=2, topic=f"logs:{parent.id}")
        await watched.halt.reached.wait()
        [child] = await bench.hand.take(1, root_id=parent.id)
        await bench.hand.begin(child)
        await bench.hand.tell(ended(child))
        await watched.lookout._look()
        await watched.plane.interest.look()
        await watched.connection._write_due()
        assert watched.connection._held

        watched.connection.remove(2)
        await watched.connection._write_due()

    told = [row["status"] for p in watched.payloads("snapshot") for row in p["rows"] if row["id"] == str(child.id)]
    assert told[-1] == "completed"
    watched.connection.close()


async def test_a_log_whose_client_takes_nothing_holds_nothing_that_was_read_for_it(
    store: SqlStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(Line):
        is_full = True

    monkeypatch.setattr(view, "REACH", 0)
    monkeypatch.setattr("quaero.gateway.following.BEHIND_AT_FIRST", 4)
    job = await bench.running()
    for n in range(8):
        await bench.hand.say(job, f"{n} " * 20_000)
    watched = SlowReader(bench, store)
    watched.connection = Connection(watched._record, bench.clock, Full())
    async with asyncio.timeout(PATIENCE):
        await watched.subscribe(id=1, topic=f"logs:{job.id}", cursor=f"{store.incarnation}.{job.id}.0")
        await watched.halt.reached.wait()
        [log] = watched.connection._number_of
        assert isinstance(log, LogSubscription)
        assert log._following is not None
        assert (log._following._behind, log._following.is_behind) == (None, True)
        watched.halt.opened.set()
        while log._following.position < 9:
            await asyncio.sleep(0)
    assert [line["seq"] for p in watched.payloads("logs") for line in p["logs"]] == list(range(1, 10))
    watched.connection.close()


async def test_an_end_waits_for_no_log_that_has_nothing_to_say_of_it(store: SqlStore, bench: Bench) -> None:
    settings = Settings(logs=Logs(ping_interval=3_600_000_000), websocket=WebSocket(time_threshold=50_000))
    gateway = Gateway(store, "1", settings=settings)
    parent, _ = await bench.family(2)
    one, other = await bench.hand.take(2, root_id=parent.id)
    await bench.hand.begin(one, other)
    await bench.hand.say(one, "line")
    async with served(gateway) as port, client_of(port) as client:
        await client.say("subscribe", id=1, topic=f"children:{parent.id}", rows=True)
        await client.say("subscribe", id=2, topic=f"logs:{one.id}")
        await client.first("logs", id=2)
        await client.until(lambda: client.rows.get(1, {}).get(str(other.id)))

        await bench.hand.end(other)

        await client.until(lambda: client.rows[1][str(other.id)]["status"] == "completed")
