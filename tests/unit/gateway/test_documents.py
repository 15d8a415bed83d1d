"""Documents over HTTP: listed, searched, read, exported."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx2
import msgspec
import pytest

from quaero.domain.facts import Began, Document, Ended
from quaero.gateway import documents
from quaero.gateway.application import application
from quaero.gateway.auth.place import Place
from quaero.gateway.state import Gateway

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import Submit, Worker

pytestmark = pytest.mark.anyio


async def keep(submit: Submit, worker: Worker, *texts: str) -> str:
    """A job that keeps these texts; its id."""
    made = await submit()
    [job] = await worker.take()
    at = job.created_at
    kept = [Document(f"https://example.org/{n}", f"Page {n}", text) for n, text in enumerate(texts)]
    await worker.tell(Began(job.id, job.epoch, at), Ended(job.id, job.epoch, at, at, documents=kept))
    return str(made["id"])


async def get(client: httpx2.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_list_shows_how_texts_begin_and_one_document_the_whole(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    long = "word " * 1000
    await keep(submit, worker, long)

    [line] = (await get(client, "/api/documents"))["documents"]
    whole = await get(client, f"/api/documents/{line['id']}")

    assert "text" not in line
    assert len(line["snippet"]) == documents.EXCERPT
    assert line["size"] == len(long)
    assert whole["text"] == long


@pytest.mark.parametrize("query", [{}, {"q": "harbour"}])
async def test_pages_of_documents_hold_each_of_them_once(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker, query: dict[str, str]
) -> None:
    await keep(submit, worker, *("harbour " * (n + 1) for n in range(5)))
    found: list[str] = []
    page = await get(client, "/api/documents", limit=2, **query)
    while True:
        found += [line["id"] for line in page["documents"]]
        if page["next_cursor"] is None:
            break
        page = await get(client, "/api/documents", limit=2, cursor=page["next_cursor"], **query)

    assert sorted(found) == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("path", ["/api/documents/7", "/api/documents/0", "/api/documents/x"])
async def test_a_document_that_is_not_there_is_not_found(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_an_export_has_every_document_of_the_tree_whole(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "EXPORTED_AT_ONCE", 2)
    ours = await keep(submit, worker, "one", "two", "three")
    await keep(submit, worker, "theirs")

    answer = await client.get("/api/documents/export", params={"job_id": ours})

    lines = [msgspec.json.decode(line) for line in answer.content.splitlines()]
    assert answer.headers["content-type"] == "application/jsonl"
    assert [line["text"] for line in lines] == ["one", "two", "three"]


async def test_an_export_of_a_search_has_every_hit(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "EXPORTED_AT_ONCE", 2)
    await keep(submit, worker, *("harbour " * (n + 1) for n in range(5)), "town")

    answer = await client.get("/api/documents/export", params={"q": "harbour"})

    assert sorted(msgspec.json.decode(line)["size"] for line in answer.content.splitlines()) == [8, 16, 24, 32, 40]


async def test_a_markdown_export_carries_nothing_a_terminal_would_obey(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    await keep(submit, worker, "# Title\n\n\x1b]0;pwned\x07text\x9b31m")

    answer = await client.get("/api/documents/export", params={"format": "markdown", "q": "title"})

    assert answer.headers["content-type"].startswith("text/markdown")
    assert "# Title\n\n]0;pwnedtext31m" in answer.text
    assert not any(char in answer.text for char in "\x1b\x07\x9b")


async def test_an_export_stops_when_its_reader_is_gone(
    gateway: Gateway, submit: Submit, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "EXPORTED_AT_ONCE", 1)
    await keep(submit, worker, *("text" for _ in range(50)))
    gone = asyncio.Event()
    sent: list[Any] = []

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) == 3:
            gone.set()
            await asyncio.Event().wait()  # a socket that takes nothing any more

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/documents/export",
        "query_string": b"",
        "headers": [(b"host", b"localhost:8080")],
        "client": ("127.0.0.1", 1),
    }
    async with asyncio.timeout(30):
        await application(gateway, Place(8080))(scope, receive, send)

    assert len(sent) == 3
