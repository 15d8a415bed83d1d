"""A log that is followed arrives whole, once and in order, whatever breaks in between."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cli.conftest import Hand
from tests.unit.client.conftest import served
from tests.unit.client.flaky import flaky

from quaero.client import AsyncClient, Following
from quaero.client.events import Event, events
from quaero.client.finding import put_sign, take_sign
from quaero.client.transport import Reply, Stream, Unreachable
from quaero.clock import SystemClock
from quaero.domain.errors import NotFound, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.unit.client.conftest import Served

pytestmark = pytest.mark.anyio


class NoPauses(SystemClock):
    """Time as it is, but pauses between tries take none."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def begun(hand: Hand, n: int) -> tuple[int, Any]:
    root = await hand.submit()
    (job,) = await hand.take()
    await hand.begin(job, *[f"early {i}" for i in range(n)])
    return root, job


async def test_history_and_live_are_one_and_it_ends_with_the_job(client: AsyncClient, server: Served) -> None:
    root, job = await begun(server.hand, 20)
    following = client.follow(root)
    seen = []

    async for entry in following:
        seen.append(entry)
        if len(seen) == 21:
            await server.hand.begin(job, "late")
            await server.hand.finish(job)

    assert [entry.seq for entry in seen] == list(range(1, len(seen) + 1))
    assert [entry.message for entry in seen[-2:]] == ["late", "Status changed: completed"]
    assert (following.ledger.first, following.ledger.last) == (1, len(seen))
    assert (following.ledger.missing, following.ledger.duplicate) == (0, 0)
    assert following.status is not None
    assert following.status["job"]["status"] == "completed"


@pytest.mark.parametrize("level", ["debug", "error"])
async def test_over_a_line_that_breaks_anywhere_nothing_is_lost_or_doubled(server: Served, level: str) -> None:
    root, job = await begun(server.hand, 200)

    async def work() -> None:
        for n in range(40):
            await server.hand.begin(job, *[f"line {n}.{i}" for i in range(20)], level=3 if n % 4 == 0 else 1)
        await server.hand.finish(job, "trouble")

    port = int(server.url.rpartition(":")[2])
    async with flaky(port, Random(7), most=60) as (address, line), AsyncClient(address, clock=NoPauses()) as client:
        working = asyncio.create_task(work())
        following = client.follow(root, level=level)
        seen = [entry async for entry in following]
        await working
    async with AsyncClient(server.url) as straight:
        stored = [entry async for entry in straight.logs(root, level=level)]

    assert seen == stored
    assert line.cuts > 10
    assert following.ledger.received == len(stored)
    assert (following.ledger.missing, following.ledger.duplicate) == (0, 0)


async def test_a_server_that_is_started_again_is_followed_on(url: str) -> None:
    async with served(url) as first:
        port = int(first.url.rpartition(":")[2])
        root, job = await begun(first.hand, 5)
        client = AsyncClient(first.url, clock=NoPauses())
        following = client.follow(root)
        pages = following.pages()
        seen = await anext(pages)
    rest = asyncio.ensure_future(anext(pages))
    async with served(url, port) as second:
        await Hand(second.hand.store, first.hand.worker_id).begin(job, "after")
        seen += await rest
        await pages.aclose()

    assert [entry.seq for entry in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].message == "after"
    await client.close()


async def test_a_log_is_followed_on_to_whichever_server_the_store_has_then(url: str) -> None:
    async with served(url) as first:
        put_sign(url, first.url)
        root, job = await begun(first.hand, 5)
        client = AsyncClient(url, clock=NoPauses())
        pages = client.follow(root).pages()
        seen = await anext(pages)
    rest = asyncio.ensure_future(anext(pages))
    async with served(url) as second:
        put_sign(url, second.url)
        await Hand(second.hand.store, first.hand.worker_id).begin(job, "after")
        seen += await rest
        await pages.aclose()
        await client.close()
    take_sign(url)

    assert [entry.seq for entry in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].message == "after"


async def test_who_follows_hears_why_it_cannot_be_asked_again_at_once() -> None:
    following, _ = followed(HELLO + a_page(0, 3), 0, 0, RESUMED + a_page(3, 4) + END)
    told: list[str] = []
    following.on_trouble = told.append

    assert [entry.seq async for entry in following] == [1, 2, 3, 4]
    assert told == ["nobody is there"] * 2


async def test_following_goes_on_from_a_cursor_and_stops_at_the_end_of_a_closed_tree(
    client: AsyncClient, server: Served
) -> None:
    root, job = await begun(server.hand, 30)
    first = client.follow(root, limit=1000)
    pages = first.pages()
    begin = await anext(pages)
    await pages.aclose()
    await server.hand.finish(job)

    second = client.follow(root, cursor=first.cursor)
    rest = [entry async for entry in second]
    nothing = [entry async for entry in client.follow(root, cursor=second.cursor)]

    assert first.cursor is not None
    assert first.cursor.endswith(".0")  # the page was not taken whole: it comes again
    assert [entry.seq for entry in rest][: len(begin)] == [entry.seq for entry in begin]
    assert nothing == []


async def test_waiting_for_a_job_gives_it_as_it_ended(client: AsyncClient, server: Served) -> None:
    root, job = await begun(server.hand, 3)
    waiting = asyncio.create_task(client.wait(root))

    await server.hand.finish(job, "no such page")

    ended = await waiting
    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error["message"] == "no such page"


async def test_what_does_not_exist_and_what_does_not_answer_is_told_at_once(client: AsyncClient) -> None:
    with pytest.raises(NotFound):
        [entry async for entry in client.follow(999)]
    async with AsyncClient("http://127.0.0.1:9") as nowhere:
        with pytest.raises(Unreachable):
            [entry async for entry in nowhere.follow(1)]


class Scripted:
    """A transport whose streams are written down: what is said, or the status of a refusal; 0: nobody is there."""

    def __init__(self, *streams: bytes | int) -> None:
        self.asked: list[str] = []
        self._streams = list(streams)

    async def ask(self, *_: Any) -> Reply:
        raise AssertionError("nothing is asked")

    @asynccontextmanager
    async def stream(self, address: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Stream]:
        self.asked.append(address)
        script = self._streams.pop(0)
        if script == 0:
            raise Unreachable("nobody is there")

        async def chunks() -> AsyncIterator[bytes]:
            if isinstance(script, bytes):
                yield script

        yield Stream(200 if isinstance(script, bytes) else script, {}, chunks())

    async def close(self) -> None:
        pass


def frame(name: str, data: Any, position: int | None = None) -> bytes:
    told = f"id: x.1.{position}\n" if position is not None else ""
    return f"event: {name}\n{told}data: {msgspec.json.encode(data).decode()}\n\n".encode()


def a_page(prev: int, to: int) -> bytes:
    entry = {"line_number": 1, "timestamp": "", "level": "info", "message": "", "job_id": "1", "root_id": "1"}
    entry |= {"step": None, "step_id": None, "originator": "worker"}
    return frame("logs", {"prev": prev, "to": to, "logs": [{**entry, "seq": n} for n in range(prev + 1, to + 1)]}, to)


HELLO, RESUMED = frame("hello", {"mode": "tail"}), frame("hello", {"mode": "resume"})
END = frame("end", {"log_head": 0})
BYE = b": why\nretry: 100\n" + frame("bye", {"retry_ms": 100})


def followed(*streams: bytes | int) -> tuple[Following, Scripted]:
    transport = Scripted(*streams)

    async def opened(_: object) -> Any:
        return transport

    return Following(opened, ("jobs", 1, "logs", "stream"), {}, NoPauses()), transport


async def test_a_page_that_comes_again_is_dropped_and_counted() -> None:
    following, _ = followed(HELLO + a_page(0, 3), RESUMED + a_page(1, 5) + END)

    assert [entry.seq async for entry in following] == [1, 2, 3, 4, 5]
    assert (following.ledger.duplicate, following.ledger.reconnects) == (2, 1)


async def test_a_page_that_does_not_follow_is_asked_for_again() -> None:
    following, transport = followed(HELLO + a_page(0, 3) + a_page(5, 7), RESUMED + a_page(3, 7) + END)

    assert [entry.seq async for entry in following] == [1, 2, 3, 4, 5, 6, 7]
    assert transport.asked[1].endswith("cursor=x.1.3")


async def test_a_frame_that_was_cut_does_not_move_the_cursor() -> None:
    following, transport = followed(HELLO + a_page(0, 2) + a_page(2, 4)[:-9], RESUMED + a_page(2, 4) + END)

    assert [entry.seq async for entry in following] == [1, 2, 3, 4]
    assert transport.asked[1].endswith("cursor=x.1.2")


async def test_what_retention_took_is_told_as_missing() -> None:
    following, _ = followed(HELLO + a_page(0, 2) + frame("gap", {"from": 3, "to": 6}, 6) + a_page(6, 7) + END)

    assert [entry.seq async for entry in following] == [1, 2, 7]
    assert (following.ledger.missing, following.ledger.received) == (4, 3)


async def test_a_ping_moves_the_position_over_what_the_filter_hid() -> None:
    ping = frame("ping", {"timestamp": "", "head": 9}, 9)
    following, _ = followed(HELLO + a_page(0, 2) + ping + a_page(9, 10) + END)

    assert [entry.seq async for entry in following] == [1, 2, 10]


async def test_a_busy_server_is_asked_again_and_a_closed_tree_is_not() -> None:
    following, transport = followed(503, 429, 502, BYE, 204)

    assert [entry async for entry in following] == []
    assert len(transport.asked) == 5


async def test_who_is_never_let_in_is_told_in_the_end() -> None:
    following, transport = followed(*[BYE] * 9)

    with pytest.raises(StoreUnavailable, match="no room for this stream"):
        await anext(aiter(following))
    assert len(transport.asked) == 6


@given(
    cuts=st.lists(st.integers(1, 40), max_size=40),
    told=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), max_size=6),
    crlf=st.booleans(),
)
async def test_events_are_the_same_however_their_bytes_are_cut(cuts: list[int], told: list[str], crlf: bool) -> None:
    raw = b"retry: 1000\nid: a.1.0\ndata:\n\n" + b"".join(frame("logs", text, n) for n, text in enumerate(told))
    raw = raw.replace(b"\n", b"\r\n") if crlf else raw

    async def chunks() -> AsyncIterator[bytes]:
        rest = raw + b"event: cut\ndata: half"
        for size in cuts:
            yield rest[:size]
            rest = rest[size:]
        yield rest

    found = [event async for event in events(chunks())]

    assert found[0] == Event("message", b"", "a.1.0")
    assert [(event.name, msgspec.json.decode(event.data), event.id) for event in found[1:]] == [
        ("logs", text, f"x.1.{n}") for n, text in enumerate(told)
    ]
