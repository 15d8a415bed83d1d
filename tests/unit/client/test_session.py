"""The client asks a server, or the store where there is none, and gets the same either way."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.unit.cli.conftest import a_hand
from tests.unit.client.conftest import served

import quaero
from quaero.client import AsyncClient, Client
from quaero.client.finding import Way, put_sign, read_sign, sign_path, take_sign
from quaero.client.following import Ledger
from quaero.client.http import HttpTransport
from quaero.client.inside import InsideTransport, _Call
from quaero.client.models import Entry, Job
from quaero.client.transport import NotAllowed, Unreachable
from quaero.domain.access import Access, new_key
from quaero.domain.errors import Conflict, InvalidInput, NotFound, StoreUnavailable, UnknownKind
from quaero.domain.wire import WireEntry, WireJob
from quaero.gateway.auth.tokens import add_token
from quaero.gateway.channel import Channel
from quaero.settings import Settings
from quaero.storage.sqlstore import SqlStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.client.conftest import Served

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["server", "store"])
async def either(request: pytest.FixtureRequest, server: Served, url: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.url if request.param == "server" else url) as opened:
        kind = HttpTransport if request.param == "server" else InsideTransport
        assert isinstance(opened._transport, kind)
        yield opened


async def test_a_job_is_enqueued_listed_cancelled_retried_and_deleted(either: AsyncClient) -> None:
    job = await either.enqueue("fetch", {"url": "x"}, depth=2, name="Mine", tags=["a"], priority=5, timeout="30s")
    again = await either.enqueue("fetch", key="nightly")
    same = await either.enqueue("fetch", key="nightly")
    cancelled = await either.cancel(job)
    rerun = await either.rerun(job)
    gone = await either.delete(job.id)

    assert (job.payload, job.name, job.tags, job.priority) == ({"url": "x", "depth": 2}, "Mine", ["a"], 5)
    assert again.id == same.id
    assert (cancelled.affected, cancelled.job.status, cancelled.job.is_terminal) == (1, "cancelled", True)
    assert gone.affected == 1
    assert [found.id async for found in either.jobs(order="created_at")] == [again.id, rerun.job.id]
    assert (await either.stats())["pending"] == 2


async def test_a_bulk_is_all_or_nothing_and_lists_go_on_page_after_page(either: AsyncClient) -> None:
    ids = await either.enqueue_many({"kind": "fetch", "payload": {"n": n}} for n in range(25))
    with pytest.raises(UnknownKind):
        await either.enqueue_many([{"kind": "fetch"}, {"kind": "nobody"}])

    listed = [job.id async for job in either.jobs(limit=10, order="created_at")]
    page = await either.jobs_page(limit=10)

    assert listed == ids
    assert (len(page.items), page.total, page.next_cursor is None) == (10, 25, False)


async def test_the_same_idempotency_key_gives_the_same_job(either: AsyncClient) -> None:
    first = await either.enqueue("fetch", idempotency_key="monday")

    assert (await either.enqueue("fetch", idempotency_key="monday")).id == first.id


async def test_errors_are_those_the_server_raised(either: AsyncClient) -> None:
    job = await either.enqueue("fetch", run_at=datetime(2040, 1, 1, tzinfo=UTC))

    with pytest.raises(NotFound, match="999"):
        await either.job(999)
    with pytest.raises(Conflict, match="pending"):
        await either.retry(job)
    with pytest.raises(InvalidInput, match="status"):
        await either.jobs_page(status="done")


def test_a_call_inside_this_process_is_all_that_a_stream_asks_of_a_connection() -> None:
    call = _Call({}, b"")

    assert {name for name in dir(Channel) if not name.startswith("_")} <= set(dir(call))
    assert not call.is_lost


def test_whoever_catches_an_error_can_name_it() -> None:
    for error in (Conflict, InvalidInput, NotAllowed, NotFound, StoreUnavailable, UnknownKind, Unreachable):
        assert getattr(quaero, error.__name__) is error
        assert issubclass(error, quaero.QuaeroError)


async def test_a_log_is_read_whole_and_from_a_cursor(either: AsyncClient, server: Served) -> None:
    root = await server.hand.submit()
    (job,) = await server.hand.take()
    await server.hand.begin(job, *[f"line {n}" for n in range(30)])

    whole = [entry async for entry in either.logs(root)]
    pages = [page async for page in either.log_pages(root, limit=7)]
    rest = [entry async for entry in either.logs(root, cursor=pages[1].next_cursor)]

    assert [entry.seq for entry in whole] == list(range(1, 32))
    assert [entry for page in pages for entry in page.logs] == whole
    assert rest == whole[14:]


async def test_reading_a_log_ends_where_it_ended_at_first_however_fast_it_grows(
    either: AsyncClient, server: Served
) -> None:
    root = await server.hand.submit()
    (job,) = await server.hand.take()
    await server.hand.begin(job, *[f"line {n}" for n in range(5)])

    pages = []
    async for page in either.log_pages(root, limit=3):
        pages.append(page)
        assert len(pages) <= 3
        await server.hand.begin(job, "one more")

    read = [entry.seq for page in pages for entry in page.logs]
    assert read[:6] == [1, 2, 3, 4, 5, 6]
    assert [entry.seq async for entry in either.logs(root)] == list(range(1, 7 + len(pages)))


def test_what_a_client_gets_has_every_field_the_server_sends() -> None:
    for ours, theirs in ((Job, WireJob), (Entry, WireEntry)):
        sent = {field.name for field in msgspec.structs.fields(theirs)} - {"job_type", "full_timestamp"}
        assert sent <= {field.name for field in msgspec.structs.fields(ours)}


async def test_a_server_that_runs_on_the_store_is_found_and_one_that_is_gone_is_not_believed(
    server: Served, url: str
) -> None:
    put_sign(url, server.url)
    async with AsyncClient(url) as found:
        by_server = isinstance(found._transport, HttpTransport)
    put_sign(url, "http://127.0.0.1:9")
    async with AsyncClient(url) as alone:
        by_itself = isinstance(alone._transport, InsideTransport)
    take_sign(url)

    assert by_server
    assert by_itself
    assert read_sign(url) is None


async def test_when_its_server_goes_away_a_client_finds_another_by_itself(url: str) -> None:
    async with served(url) as first:
        put_sign(url, first.url)
        client = AsyncClient(url)
        await client.enqueue("fetch")
        log = client.follow(limit=0)
        pages = log.pages()
    async with served(url) as second:
        put_sign(url, second.url)
        told = await client.stats()
        there = client._transport
        await client.close()
    take_sign(url)
    await pages.aclose()

    assert told["pending"] == 1
    assert isinstance(there, HttpTransport)
    assert there.url == second.url


async def test_what_changes_something_is_not_asked_twice_when_its_server_goes_away(url: str) -> None:
    async with served(url) as first:
        put_sign(url, first.url)
        client = AsyncClient(url)
        await client.stats()
    with pytest.raises(Unreachable):
        await client.enqueue("fetch")
    job = await client.enqueue("fetch")
    take_sign(url)

    assert (await client.stats())["pending"] == 1
    assert job.status == "pending"
    await client.close()


async def test_ctrl_c_while_a_server_is_looked_for_leaves_nothing_open(url: str) -> None:
    asked, lost = asyncio.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: lost.append(what["message"]))

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    put_sign(url, f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}")
    looking = asyncio.ensure_future(AsyncClient(url).stats())
    await asked.wait()
    looking.cancel()
    await asyncio.wait({looking})
    del looking
    gc.collect()
    silent.close()
    take_sign(url)

    assert lost == []


async def test_the_sign_of_another_process_stays(url: str) -> None:
    path = sign_path(url)
    assert path is not None
    path.write_text(f'{{"url": "http://127.0.0.1:9", "pid": {os.getpid() + 1}}}')

    take_sign(url)

    assert path.exists()


async def test_a_token_is_sent_and_its_scope_is_told(url: str) -> None:
    key = new_key("qk")
    async with served(url, auth__required="true") as server:
        await server.hand.store.write(add_token, key, "reader", Access.VIEWER, 0)
        async with AsyncClient(server.url, token=key.text) as reader:
            assert (await reader.stats())["pending"] == 0
            with pytest.raises(NotAllowed, match="scope submitter"):
                await reader.enqueue("fetch")
        async with AsyncClient(server.url) as nobody:
            with pytest.raises(NotAllowed, match="QUAERO_TOKEN"):
                await nobody.stats()


async def test_no_server_at_an_address_is_told() -> None:
    async with AsyncClient("http://127.0.0.1:9") as client:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
            await client.stats()
    with pytest.raises(InvalidInput, match="http://HOST:PORT"):
        async with AsyncClient("http://127.0.0.1:9/api"):
            pass
    for address in ("http://127.0.0.1:99999", "http://[::1", "ftp://127.0.0.1:1"):
        with pytest.raises(InvalidInput):
            await AsyncClient(Way(settings=Settings(), server=address)).stats()
    with pytest.raises(InvalidInput, match="write http://localhost:8080 for a server"):
        AsyncClient("localhost:8080")


async def test_who_cannot_reach_a_shared_store_is_told_of_the_other_way() -> None:
    with pytest.raises(StoreUnavailable, match=r"cannot be reached: .*; a server of it can be asked .*--server or"):
        await AsyncClient("postgresql://nobody@127.0.0.1:1/x").jobs_page()


async def test_a_client_without_an_address_goes_where_the_environment_says(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUAERO_SERVER", server.url)

    async with AsyncClient() as client:
        assert isinstance(client._transport, HttpTransport)


async def test_the_synchronous_face_does_the_same(server: Served) -> None:
    def script() -> tuple[Job, list[str], list[str]]:
        with quaero.Client(server.url) as client:
            job = client.enqueue("fetch", url="x")
            client.enqueue_many([{"kind": "fetch"}] * 3)
            listed = [one.id for one in client.jobs(limit=2)]
            return client.cancel(job).job, listed, [entry.message for entry in client.logs(job)]

    job, listed, lines = await asyncio.to_thread(script)

    assert job.status == "cancelled"
    assert len(listed) == 4
    assert lines == ["Cancel requested", "Status changed: cancelled"]


async def test_the_synchronous_face_follows_a_log_to_its_end(server: Served) -> None:
    root = await server.hand.submit()
    (job,) = await server.hand.take()
    await server.hand.begin(job, *[f"line {n}" for n in range(5)])
    moment = asyncio.get_running_loop()

    def script() -> tuple[list[str], list[str], Ledger]:
        with quaero.Client(server.url) as client:
            following = client.follow(root)
            heard = []
            for entry in following:
                heard.append(entry.message)
                if entry.message == "line 4":
                    asyncio.run_coroutine_threadsafe(server.hand.finish(job), moment).result(20)
            again = [entry.message for entry in client.follow(root, cursor=following.cursor)]
            return heard, again, following.ledger

    heard, again, ledger = await asyncio.to_thread(script)

    assert heard[-6:] == [*(f"line {n}" for n in range(5)), "Status changed: completed"]
    assert again == []
    assert (ledger.received, ledger.missing, ledger.duplicate) == (len(heard), 0, 0)


def test_the_synchronous_face_works_on_a_store_without_any_loop(url: str) -> None:
    async def prepare() -> None:
        async with served(url):
            pass

    asyncio.run(prepare())

    with Client(url) as client:
        job = client.enqueue("fetch")
        assert client.job(job.id).status == "pending"
        with pytest.raises(NotFound):
            client.job(999)


def test_ctrl_c_while_the_synchronous_face_waits_ends_what_it_waits_for_and_is_ctrl_c(url: str) -> None:
    left = []

    async def endless() -> AsyncIterator[int]:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
            yield 1
        finally:
            for _ in range(9):
                await asyncio.sleep(0)
            left.append("whole")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in a shell's background
    try:
        with Client(url) as client:
            with pytest.raises(KeyboardInterrupt):
                list(client._each(endless()))
            assert left == ["whole"]
            assert client.stats()["pending"] == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_was_not_read_to_its_end_is_no_trouble_when_the_client_has_gone(
    url: str, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", trouble.append)

    async def prepare() -> int:
        async with SqlStore.open(url) as store:
            hand = await a_hand(store)
            root = await hand.submit()
            (job,) = await hand.take()
            await hand.begin(job, "a line")
            return root

    root = asyncio.run(prepare())
    with Client(url) as client:
        jobs, log = client.jobs(), client.follow(root).pages()
        assert next(jobs).id == str(root)
        assert next(log)
    del jobs, log
    gc.collect()

    assert not trouble
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


async def test_a_store_that_is_not_there_is_made(url: str) -> None:
    async with AsyncClient(url) as client:
        assert (await client.stats())["completed"] == 0
    async with SqlStore.open(url) as store:
        assert store.incarnation
