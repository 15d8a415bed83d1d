"""`/ws` over a real socket, with a public client."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from tests.unit.gateway.sockets import PATIENCE, Client, client_of, served
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from quaero.clock import SystemClock
from quaero.domain.access import Access, Key, new_key
from quaero.domain.facts import How
from quaero.engine.lifecycle.retry import delete
from quaero.gateway import connection, websocket
from quaero.gateway.auth.tokens import add_token, revoke_token
from quaero.gateway.state import Gateway
from quaero.settings import Settings, WebSocket, load
from quaero.testing.bench import Bench
from quaero.testing.factories import a_child, a_definition, a_root, a_step, an_error, ended, progressed

if TYPE_CHECKING:
    from quaero.storage.sqlstore import SqlStore

pytestmark = pytest.mark.anyio
LONG = 10_000_000_000
QUICK = Settings(websocket=WebSocket(time_threshold=50_000))


@pytest.fixture
async def bench(store: SqlStore) -> Bench:
    return await Bench.set_up(store, SystemClock(), lease=LONG)


@pytest.fixture
async def port(store: SqlStore) -> AsyncIterator[int]:
    async with served(Gateway(store, "1.2.3", settings=QUICK)) as at:
        yield at


@pytest.fixture
async def client(port: int) -> AsyncIterator[Client]:
    async with client_of(port) as connected:
        yield connected


async def test_it_says_first_which_server_and_store_this_is(client: Client, store: SqlStore) -> None:
    hello = await client.first("status")

    assert client.messages[0]["type"] == "status"
    assert (hello["incarnation"], hello["version"]) == (store.incarnation, "1.2.3")
    assert hello["server_instance_id"]
    assert hello["queue"]["pending"] == 0


async def test_roots_as_rows_begin_with_a_page_and_stay_true(client: Client, bench: Bench) -> None:
    first = await bench.root(a_root(name="one"))

    await client.say("subscribe", id=1, topic="jobs", rows=True)
    snapshot = await client.first("snapshot", id=1)
    second = await bench.root(a_root(name="two"))
    await client.until(lambda: str(second) in client.rows[1])
    await bench.finish()
    await client.until(lambda: {row["status"] for row in client.rows[1].values()} == {"completed"})

    assert (snapshot["full"], snapshot["total_count"], snapshot["gone"]) == (True, 1, [])
    assert [row["name"] for row in snapshot["rows"]] == ["one"]
    assert set(client.rows[1]) == {str(first), str(second)}


async def test_a_row_is_the_job_of_the_rest_interface_and_says_how_much_longer(client: Client, bench: Bench) -> None:
    parent, _ = await bench.family(40)
    taken = await bench.hand.take(20, root_id=parent.id)
    await bench.hand.end(*taken)

    await client.say("subscribe", id="a", topic=f"job:{parent.id}", rows=True)
    snapshot = await client.first("snapshot", id="a")
    taken = await bench.hand.take(10, root_id=parent.id)
    await bench.hand.end(*taken)
    await client.until(lambda: client.rows["a"][str(parent.id)]["tally"]["completed"] == 30)

    [row] = snapshot["rows"]
    assert row["progress_text"] == "20 pending, 0 running, 20 completed, 0 failed"
    assert client.rows["a"][str(parent.id)]["progress_text"] == "10 pending, 0 running, 30 completed, 0 failed"
    assert row["eta"]["low_ms"] <= row["eta"]["high_ms"]
    assert row["eta"]["growing"]
    assert snapshot["head"] == row["log_head"]


async def test_a_definition_comes_with_its_steps_and_what_failed(client: Client, bench: Bench) -> None:
    root_id, steps = await bench.definition(a_definition(a_step("one", on_error="continue"), a_step("two")))
    await client.say("subscribe", id=1, topic=f"job:{root_id}", rows=True, errors=True)
    snapshot = await client.first("snapshot", id=1)

    for job in await bench.hand.take(root_id=root_id):
        await bench.hand.tell(ended(job, How.FAILED, error=an_error(final=True)))
    await client.until(lambda: client.rows[1][str(root_id)]["status"] == "failed")
    groups = await client.until(lambda: [p for p in client.of("snapshot") if p.get("errors")])

    assert [row["id"] for row in snapshot["rows"]] == [str(root_id), *map(str, steps.values())]
    assert [step["name"] for step in snapshot["steps"]] == ["one", "two"]
    assert snapshot["errors"] == []
    assert groups[-1]["errors"][0]["message"] == "it broke"


async def test_progress_without_a_line_is_shown_too(client: Client, bench: Bench) -> None:
    parent, [child_id, _] = await bench.family(2)
    [child] = await bench.hand.take(1, root_id=parent.id)
    await bench.hand.begin(child)
    await client.say("subscribe", id=1, topic=f"children:{parent.id}", rows=True, order="created_at")
    await client.first("snapshot", id=1)

    await bench.hand.tell(progressed(child, current=3, total=7, message="on it"))

    row = await client.until(lambda: (r := client.rows[1][str(child_id)])["progress"] and r)
    assert (row["progress"]["current"], row["progress"]["total"]) == (3, 7)


async def test_children_that_come_fill_the_page_and_a_filter_holds(client: Client, bench: Bench) -> None:
    parent = await bench.running()
    await client.say("subscribe", id=1, topic=f"children:{parent.id}", rows=True, order="created_at", limit=3)
    await client.say("subscribe", id=2, topic=f"children:{parent.id}", rows=True, status="failed")
    await client.until(lambda: 1 in client.rows and 2 in client.rows)

    ids = await bench.hand.spawn(parent, [a_child(payload={"n": n}) for n in range(5)])
    await client.until(lambda: set(client.rows[1]) == {str(i) for i in ids[:3]})
    for job in await bench.hand.take(root_id=parent.id):
        how = How.FAILED if job.id == ids[4] else How.COMPLETED
        await bench.hand.tell(ended(job, how, **({"error": an_error(final=True)} if how is How.FAILED else {})))

    failed = await client.until(lambda: client.rows[2])
    await client.until(lambda: {row["status"] for row in client.rows[1].values()} == {"completed"})
    assert set(failed) == {str(ids[4])}


async def test_rows_that_leave_a_filter_or_the_store_are_gone(client: Client, bench: Bench) -> None:
    await client.say("subscribe", id=1, topic="jobs", rows=True, status="pending,running")
    await client.first("snapshot", id=1)
    root_id = await bench.root()
    await client.until(lambda: str(root_id) in client.rows[1])
    await client.say("subscribe", id=2, topic=f"job:{root_id}", rows=True)
    await client.until(lambda: 2 in client.rows)

    await bench.finish()
    await client.until(lambda: not client.rows[1])
    await bench.store.write(delete, root_id)
    await client.until(lambda: not client.rows[2])


async def test_rows_in_sight_are_chosen_one_by_one(client: Client, bench: Bench) -> None:
    parent, ids = await bench.family(5)
    await client.say("subscribe", id=1, topic=f"children:{parent.id}", rows=True, limit=0, ids=[str(ids[0])])
    await client.until(lambda: 1 in client.rows and str(ids[0]) in client.rows[1])

    await client.say("ids", id=1, add=[str(ids[3]), "987654"], remove=[str(ids[0])])
    await client.until(lambda: str(ids[3]) in client.rows[1])
    told = client.of("snapshot")[-1]

    assert [row["id"] for row in told["rows"]] == [str(ids[3])]
    assert told["gone"] == ["987654"]


async def test_typed_messages_tell_of_a_job_its_children_and_its_end(client: Client, bench: Bench) -> None:
    parent = await bench.running(a_root(name="big"))
    await client.say("subscribe", id=1, topic=f"job:{parent.id}")
    await client.first("snapshot", id=1)

    await bench.hand.spawn(parent, [a_child(payload={"n": n}) for n in range(3)])
    spawn = await client.first("job_spawn")
    await bench.hand.end(parent)
    await bench.finish()
    end = await client.first("job_status_change", status="completed")
    progress = await client.first("parent_job_progress", status="completed")

    assert (spawn["parent_job_id"], spawn["count"], spawn["total_children"]) == (str(parent.id), 3, 3)
    assert (end["job_id"], end["kind"], end["job_type"], end["name"], end["round"]) == (
        str(parent.id), "work", "work", "big", 1,
    )  # fmt: skip
    assert progress["progress_text"] == end["progress_text"] == "0 pending, 0 running, 3 completed, 0 failed"
    assert (progress["total_children"], progress["completed_children"]) == (3, 3)
    assert end["log_head"] == (await bench.job(parent.id)).journal_head
    assert end["version"] == (await bench.job(parent.id)).version


def finished_steps(client: Client) -> list[str]:
    return [step for p in client.of("refresh_step_events") if p["finished"] for step in p["step_ids"]]


async def test_without_a_subscription_roots_and_steps_are_told_but_no_leaf(client: Client, bench: Bench) -> None:
    await client.first("status")
    client_knows = asyncio.create_task(client.first("job_created"))
    while not client_knows.done():
        root_id = await bench.root(a_root(name="seen"))
        await asyncio.wait({client_knows}, timeout=0.5)

    await bench.definition(a_definition(a_step("one"), a_step("two", depends="one")))
    parent, children = await bench.family(3)
    await bench.hand.end(parent)
    await bench.finish()
    await client.first("job_status_change", job_id=str(parent.id), status="completed")
    await client.first("step_progress", step_name="two", status="completed")
    finished = await client.until(lambda: len(ids := finished_steps(client)) == 2 and ids)

    told = {payload.get("job_id") for payload in client.of("job_status_change", "job_created")}
    assert str(root_id) in told
    assert not told & set(map(str, children))
    assert len(set(finished)) == 2


async def test_the_counts_of_the_queue_are_told_when_they_differ(client: Client, bench: Bench) -> None:
    await client.say("subscribe", id=1, topic="queue")
    snapshot = await client.first("snapshot", id=1)

    await bench.root()

    told = await client.first("queue_stats", pending=1)
    assert told["version"] > snapshot["stats"]["version"]
    assert set(told) >= {"pending", "running", "waiting", "completed", "failed", "cancelled", "throughput", "timestamp"}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{", "no message"),
        ('{"type": "dance"}', "subscribe, unsubscribe, ids, ping"),
        ('{"type": "subscribe", "payload": {"id": 1, "topic": "job:x"}}', "job:ID"),
        ('{"type": "subscribe", "payload": {"id": 1, "topic": "jobs", "colour": "red"}}', "colour"),
        ('{"type": "subscribe", "payload": {"id": 1, "topic": "jobs", "status": "well"}}', "pending"),
        ('{"type": "subscribe", "payload": {"id": 1, "topic": "jobs", "limit": 501}}', "0 to 500"),
        ('{"type": "subscribe", "payload": {"id": 1, "topic": "job:77"}}', "no job 77"),
        ('{"type": "subscribe", "payload": {"id": 1, "topic": "jobs", "cursor": "x"}}', "next_cursor"),
        ('{"type": "ids", "payload": {"id": 9, "add": ["1"]}}', "no subscription"),
    ],
)
async def test_what_cannot_be_done_is_told_and_the_connection_goes_on(client: Client, text: str, hint: str) -> None:
    await client.socket.send(text)
    error = await client.first("error")
    await client.say("ping", n=1)

    assert hint in error["detail"]
    assert await client.first("pong") == {"n": 1}


async def test_more_rows_or_subscriptions_than_may_be_are_refused(client: Client, bench: Bench) -> None:
    await client.say("subscribe", id=0, topic="jobs", rows=True, limit=0, ids=[str(n) for n in range(1, 501)])
    await client.first("snapshot", id=0)
    await client.say("ids", id=0, add=[str(n) for n in range(600, 1_100)])
    await client.say("ids", id=0, add=[str(n) for n in range(600, 1_101)])
    for n in range(1, connection.MOST_SUBSCRIPTIONS + 1):
        await client.say("subscribe", id=n, topic="queue")

    errors = await client.until(lambda: len(e := client.of("error")) == 2 and e)
    assert {error["id"] for error in errors} == {0, connection.MOST_SUBSCRIPTIONS}


async def test_a_client_that_floods_is_closed(client: Client) -> None:
    for n in range(websocket.MESSAGES + 1):
        await client.say("ping", n=n)

    assert await client.closed() == websocket.TOO_EAGER


async def test_a_message_too_large_closes_the_connection(client: Client) -> None:
    await client.socket.send(json.dumps({"type": "ping", "payload": "x" * websocket.MAX_MESSAGE}))

    assert await client.closed() == 1009


async def test_another_path_has_no_socket(port: int) -> None:
    with pytest.raises(InvalidStatus):
        async with connect(f"ws://127.0.0.1:{port}/elsewhere"):
            pass


async def test_a_subscription_that_is_over_is_told_nothing_and_watches_nothing(store: SqlStore, bench: Bench) -> None:
    gateway = Gateway(store, "1", settings=QUICK)
    parent, _ = await bench.family(3)
    async with served(gateway) as port, client_of(port) as client:
        for n in range(50):
            await client.say("subscribe", id=1, topic=f"children:{parent.id}", rows=bool(n % 2))
            await client.say("unsubscribe", id=1)
        await client.say("subscribe", id=2, topic=f"job:{parent.id}", rows=True)
        await client.first("snapshot", id=2)
        before = len([p for p in client.of("snapshot") if p["id"] == 1])
        await bench.hand.end(parent)
        await bench.finish()
        await client.until(lambda: client.rows[2][str(parent.id)]["status"] == "completed")
        after = len([p for p in client.of("snapshot") if p["id"] == 1])

    assert before == after


async def test_a_server_that_stops_says_bye_and_when_to_come_again(store: SqlStore) -> None:
    server = AsyncExitStack()
    port = await server.enter_async_context(served(Gateway(store, "1", settings=QUICK)))
    async with client_of(port) as client:
        await client.first("status")
        async with asyncio.timeout(PATIENCE):
            await server.aclose()

        assert client.of("bye")[0]["retry_ms"] > 0
        assert await client.closed() == websocket.LEAVING


async def test_a_client_that_does_not_read_is_cut_off_and_costs_little_until_then(
    store: SqlStore, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SEND_SECONDS", 0.5)
    parent = await bench.running()
    await bench.hand.spawn(parent, [a_child(payload={"n": n, "fill": "x" * 4_000}) for n in range(500)])
    gateway = Gateway(store, "1", settings=QUICK)
    async with served(gateway) as port, client_of(port) as healthy:
        stuck = [await open_stuck(port, parent.id) for _ in range(3)]
        await healthy.say("subscribe", id=1, topic=f"children:{parent.id}", rows=True, limit=500)
        await healthy.until(lambda: len(healthy.rows.get(1, ())) == 500)
        await until_true(lambda: len(gateway.viewers) == 1)
        largest = max(len(json.dumps(message)) for message in healthy.messages)
        for writer in stuck:
            writer.transport.abort()

    assert largest < 64 * 1024


async def open_stuck(port: int, parent_id: int) -> asyncio.StreamWriter:
    """A client that asks for much and reads nothing."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    reader, writer = await asyncio.open_connection(sock=sock, limit=1_024)
    writer.write(
        f"GET /ws HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    for n in range(20):
        ask = {"id": n, "topic": f"children:{parent_id}", "rows": True, "limit": 500}
        frame = Frame(Opcode.TEXT, json.dumps({"type": "subscribe", "payload": ask}).encode())
        writer.write(frame.serialize(mask=True))
    return writer


async def until_true(found: Callable[[], bool]) -> None:
    """Wait for a fact nobody announces."""
    async with asyncio.timeout(PATIENCE):
        while not found():
            await asyncio.to_thread(lambda: None)  # lets others run, and other threads too


async def test_a_credential_that_ceases_to_count_ends_its_connection(store: SqlStore) -> None:
    key, watcher = new_key("qk"), new_key("qk")
    for one in (key, watcher):
        await store.write(add_token, one, "ci", Access.VIEWER)
    gateway = Gateway(store, "1", settings=load(environ={}, flags={"server.host": "192.0.2.7"}))
    async with served(gateway) as port:
        with pytest.raises(InvalidStatus):
            await connect(f"ws://192.0.2.7:{port}/ws", host="127.0.0.1", port=port)
        first, second = [
            Client(
                await connect(f"ws://192.0.2.7:{port}/ws", host="127.0.0.1", port=port, additional_headers=bearer(k))
            )
            for k in (key, watcher)
        ]
        await first.say("subscribe", id=1, topic="jobs", rows=True)
        await first.first("snapshot", id=1)

        await store.write(revoke_token, key.id)

        assert await first.closed() == 1008
        await second.say("ping", n=1)
        await second.first("pong")
        await second.close()


def bearer(key: Key) -> dict[str, str]:
    return {"authorization": f"Bearer {key.text}"}


async def test_when_the_state_plane_breaks_nobody_is_left_with_old_state(
    store: SqlStore, bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    root_id = await bench.root()
    async with served(Gateway(store, "1", settings=QUICK)) as port:
        async with client_of(port) as client:
            await client.say("subscribe", id=1, topic=f"job:{root_id}", rows=True)
            await client.first("snapshot", id=1)
            with monkeypatch.context() as patch:
                patch.setattr("quaero.gateway.interest.Row.renew", broken)
                [job] = await bench.hand.take(root_id=root_id)
                await bench.hand.begin(job)
                assert await client.closed() == websocket.LEAVING
        async with client_of(port) as again:
            await again.say("subscribe", id=1, topic=f"job:{root_id}", rows=True)
            await again.until(lambda: again.rows[1][str(root_id)]["status"] == "running" if 1 in again.rows else None)

    assert "a bug" in caplog.text
