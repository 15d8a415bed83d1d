"""Logs and the run map over `/ws`: the feed's parts with a subscription's id, and every change of a map's children."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.gateway.sockets import Client, client_of, served

from quaero.clock import SystemClock
from quaero.domain.cursor import Cursor
from quaero.domain.facts import How
from quaero.engine.lifecycle.retry import delete
from quaero.gateway.mapcache import By
from quaero.gateway.maps import MapQuery, get_map
from quaero.gateway.routing import JobId
from quaero.gateway.state import Gateway
from quaero.gateway.websocket import LEAVING
from quaero.settings import Settings, WebSocket
from quaero.testing.bench import Bench
from quaero.testing.factories import a_child, an_error, ended

if TYPE_CHECKING:
    from quaero.storage.sqlstore import SqlStore

pytestmark = pytest.mark.anyio
LONG = 10_000_000_000
QUICK = Settings(websocket=WebSocket(time_threshold=50_000))


@pytest.fixture
async def bench(store: SqlStore) -> Bench:
    return await Bench.set_up(store, SystemClock(), lease=LONG)


@pytest.fixture
def gateway(store: SqlStore) -> Gateway:
    return Gateway(store, "1.2.3", settings=QUICK)


@pytest.fixture
async def port(gateway: Gateway) -> AsyncIterator[int]:
    async with served(gateway) as at:
        yield at


@pytest.fixture
async def client(port: int) -> AsyncIterator[Client]:
    async with client_of(port) as connected:
        yield connected


def lines(client: Client, subscription: Any) -> list[str]:
    """The messages of a log so far, in the order they came."""
    return [line["message"] for p in client.of("logs") if p["id"] == subscription for line in p["logs"]]


def said(client: Client, subscription: Any) -> list[str]:
    """What jobs themselves said of that."""
    return [line for line in lines(client, subscription) if line.startswith("line")]


async def test_a_log_comes_with_history_and_live_to_its_end(client: Client, bench: Bench) -> None:
    job = await bench.running()
    await bench.hand.say(job, "line 1", "line 2")
    await client.say("subscribe", id=7, topic=f"logs:{job.id}")
    hello = await client.first("hello", id=7)
    await client.until(lambda: said(client, 7) == ["line 1", "line 2"])

    await bench.hand.say(job, "line 3")
    await bench.hand.end(job)
    end = await client.first("end", id=7)

    assert (hello["mode"], hello["topic"]) == ("tail", f"logs:{job.id}")
    assert said(client, 7) == ["line 1", "line 2", "line 3"]
    assert end["log_head"] == (await bench.job(job.id)).journal_head
    [last] = [p for p in client.of("status") if p.get("id") == 7 and p["job"]["status"] == "completed"]
    assert last["log_head"] == end["log_head"]


async def test_a_log_goes_on_from_its_cursor_without_loss_or_repeat(port: int, bench: Bench) -> None:
    job = await bench.running()
    await bench.hand.say(job, *(f"line {n}" for n in range(50)))
    heard: list[str] = []
    cursor = None
    for round_ in range(4):
        async with client_of(port) as client:
            await client.say(
                "subscribe", id=1, topic=f"logs:{job.id}", limit=5_000, **({"cursor": cursor} if cursor else {})
            )
            await client.first("hello", id=1)
            await bench.hand.say(job, *(f"line {round_}.{n}" for n in range(10)))
            await client.until(lambda n=round_, c=client: f"line {n}.9" in said(c, 1))
            heard += said(client, 1)
            cursor = [p for p in client.of("logs", "ping", "status") if "cursor" in p][-1]["cursor"]

    assert heard == [f"line {n}" for n in range(50)] + [f"line {r}.{n}" for r in range(4) for n in range(10)]


async def test_levels_steps_and_the_service_log_can_be_asked_for(client: Client, bench: Bench) -> None:
    job = await bench.running()
    await bench.hand.say(job, "line info")
    await bench.hand.say(job, "line error", level=3)
    await client.say("subscribe", id=1, topic=f"logs:{job.id}", level="error")
    await client.say("subscribe", id=2, topic="logs:service")
    await client.say("subscribe", id=3, topic=f"logs:{job.id}", step="nope")
    await client.say("subscribe", id=4, topic="logs:service", limit=501)

    await client.until(lambda: said(client, 1) == ["line error"])
    await client.first("hello", id=2)
    assert "no step" in (await client.first("error", id=3))["detail"]
    assert "500" in (await client.first("error", id=4))["detail"]


async def test_a_closed_tree_that_opens_again_is_followed_on(client: Client, bench: Bench) -> None:
    job = await bench.running()
    await bench.hand.tell(ended(job, How.FAILED, error=an_error(final=True)))
    await client.say("subscribe", id=1, topic=f"logs:{job.id}")
    first = await client.first("end", id=1)
    token = Cursor(bench.store.incarnation, job.id, first["log_head"]).token
    await client.say("subscribe", id=2, topic=f"logs:{job.id}", cursor=token)
    await client.first("end", id=2)

    await bench.retry(job.id)
    [again] = await bench.hand.take(root_id=job.id)
    await bench.hand.begin(again)
    await bench.hand.say(again, "line again")

    await client.until(lambda: said(client, 1) == said(client, 2) == ["line again"])
    assert next(p for p in client.of("status") if p.get("id") == 1 and p.get("reopened"))


async def test_who_is_sent_away_from_a_log_is_sent_away_from_the_whole_connection(
    gateway: Gateway, client: Client, bench: Bench
) -> None:
    job = await bench.running()
    await bench.hand.say(job, "line 1")
    await client.say("subscribe", id=1, topic=f"logs:{job.id}")
    await client.until(lambda: said(client, 1) == ["line 1"])

    for view in gateway.feed._tails[job.id].views.values():
        for following in view.followings:
            following.leave(1234)

    assert await client.closed() == LEAVING
    assert client.messages[-1] == {"type": "bye", "payload": {"retry_ms": 1234}}


async def test_who_comes_back_to_a_deleted_tree_is_told_what_will_not_come(client: Client, bench: Bench) -> None:
    job = await bench.running()
    await bench.hand.end(job)
    await bench.store.write(delete, job.id)
    token = Cursor(bench.store.incarnation, job.id, 1).token

    await client.say("subscribe", id=1, topic=f"logs:{job.id}", cursor=token)
    await client.first("end", id=1)
    await client.say("subscribe", id=2, topic=f"logs:{job.id}")

    assert "no job" in (await client.first("error", id=2))["detail"]


async def test_an_end_is_never_told_before_its_lines(port: int, bench: Bench) -> None:
    """On one connection, whatever it is told by: rows, typed messages, the log's own status."""
    for _ in range(5):
        job = await bench.running()
        async with client_of(port) as client:
            await client.say("subscribe", id=1, topic=f"job:{job.id}", rows=True)
            await client.say("subscribe", id=2, topic=f"job:{job.id}")
            await client.say("subscribe", id=3, topic=f"logs:{job.id}", limit=0, level="debug")
            await client.first("hello", id=3)
            await bench.hand.say(job, *(f"line {n}" for n in range(3_000)))
            await bench.hand.end(job)
            await client.first("end", id=3)
            await client.until(lambda c=client, j=job: c.rows[1][str(j.id)]["status"] == "completed")
            await client.first("job_status_change", status="completed")

            ends = [n for n, message in enumerate(client.messages) if is_end(message)]
            last_line = max(n for n, message in enumerate(client.messages) if message["type"] == "logs")
            assert len(said(client, 3)) == 3_000
            assert min(ends) > last_line


def is_end(message: dict[str, Any]) -> bool:
    payload = message["payload"]
    if message["type"] == "snapshot":
        return any(row["status"] == "completed" for row in payload["rows"])
    return message["type"] == "job_status_change" and payload["status"] == "completed"


# --- the run map


async def fetched(gateway: Gateway, job_id: int, by: By = "status") -> tuple[str, dict[int, Any]]:
    """The map of the REST interface: its cursor, and the codes by id; of a map by error what they stand for."""
    answer = await get_map(gateway, JobId(job_id), MapQuery(by), {})
    found = json.loads(answer.body)
    ids = [first + n for first, count in found["ids"] for n in range(count)]
    codes = [code for code, count in found["runs"] for _ in range(count)]
    means = meanings(found) if by == "error" else {}
    return found["cursor"], {job_id: means.get(code, code) for job_id, code in zip(ids, codes, strict=True)}


def meanings(told: dict[str, Any]) -> dict[int, str]:
    """What the codes of a map or message by error stand for."""
    return {group["code"]: group["fingerprint"] for group in told.get("legend", [])}


def applied(codes: dict[int, Any], client: Client) -> dict[int, Any]:
    """A map with every change a client was told, as a page applies them: what is new goes to the end."""
    codes = dict(codes)
    for payload in client.of("map"):
        means = meanings(payload)
        for job_id, code in payload["changes"]:
            assert job_id in codes or job_id > max(codes, default=0)
            codes[job_id] = means.get(code, code)
    return codes


@pytest.mark.parametrize("by", ["status", "duration", "error"])
async def test_a_map_with_its_changes_is_the_map_of_later(
    client: Client, gateway: Gateway, bench: Bench, by: By
) -> None:
    parent, _ = await bench.family(30)
    cursor, codes = await fetched(gateway, parent.id, by)
    taken = await bench.hand.take(10, root_id=parent.id)
    await bench.hand.begin(*taken)
    await bench.hand.spawn(parent, [a_child(payload={"more": n}) for n in range(5)])

    await client.say("subscribe", id=1, topic=f"map:{parent.id}", by=by, cursor=cursor)
    await client.first("map", id=1)
    await bench.hand.end(*taken[:5])
    await bench.hand.tell(*(ended(job, How.FAILED, error=an_error(final=True)) for job in taken[5:8]))
    [group] = await bench.store.errors(parent.id)
    await client.until(lambda: by != "error" or group.fingerprint in applied(codes, client).values())
    await bench.hand.tell(*(ended(job, How.FAILED, error=an_error("another", final=True)) for job in taken[8:]))
    others = {group.fingerprint for group in await bench.store.errors(parent.id)}
    await client.until(lambda: by != "error" or others <= set(applied(codes, client).values()))
    await bench.hand.spawn(parent, [a_child(payload={"yet more": n}) for n in range(7)])
    await bench.hand.end(parent)
    await bench.finish()
    await bench.retry(parent.id, failed_children=True)
    await bench.finish()

    _, later = await fetched(gateway, parent.id, by)
    await client.until(lambda: applied(codes, client) == later)
    assert len(later) == 42
    assert not any(payload.get("reset") for payload in client.of("map"))
    assert all(payload["to"] == payload["cursor"] for payload in client.of("map"))


async def test_only_the_children_of_the_job_itself_are_in_its_map(
    client: Client, gateway: Gateway, bench: Bench
) -> None:
    parent, children = await bench.family(2)
    cursor, codes = await fetched(gateway, parent.id)
    await client.say("subscribe", id=1, topic=f"map:{parent.id}", cursor=cursor)
    [child, _] = await bench.hand.take(root_id=parent.id)
    await bench.hand.begin(child)
    await bench.hand.spawn(child, [a_child(payload={"deeper": n}) for n in range(3)])
    await bench.hand.end(parent, child)
    await bench.finish()

    _, later = await fetched(gateway, parent.id)
    await client.until(lambda: applied(codes, client) == later)
    assert set(later) == set(children)


@pytest.mark.parametrize("cursor", [None, "x", "other.1.1", "{incarnation}.{root}.999", "{incarnation}.999.1"])
async def test_a_cursor_that_cannot_be_used_is_told_once_with_a_reset(
    client: Client, gateway: Gateway, bench: Bench, cursor: str | None
) -> None:
    parent, _ = await bench.family(3)
    if cursor is not None:
        cursor = cursor.format(incarnation=bench.store.incarnation, root=parent.id)

    await client.say("subscribe", id=1, topic=f"map:{parent.id}", **({"cursor": cursor} if cursor else {}))
    reset = await client.first("map", id=1)
    fresh, codes = await fetched(gateway, parent.id)
    await client.say("subscribe", id=1, topic=f"map:{parent.id}", cursor=fresh)
    await bench.hand.end(parent)
    await bench.finish()

    _, later = await fetched(gateway, parent.id)
    await client.until(lambda: applied(codes, client) == later)
    assert reset["reset"]
    assert [payload.get("reset", False) for payload in client.of("map")][1:].count(True) == 0
