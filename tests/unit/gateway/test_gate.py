"""The gate: what it lets through carries its marks, and what it does not never reaches the application."""

from typing import Any

import pytest

from quaero.clock import SystemClock
from quaero.gateway import gate
from quaero.gateway.auth.checkpoint import Checkpoint
from quaero.gateway.auth.place import Place
from quaero.gateway.gate import Gate
from quaero.settings import Auth
from quaero.storage.sqlstore import SqlStore

pytestmark = pytest.mark.anyio


def a_scope(method: str = "GET", **headers: bytes) -> dict[str, Any]:
    given = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    if method == "websocket":
        return {"type": "websocket", "path": "/ws", "headers": given}
    return {"type": "http", "method": method, "path": "/api/jobs", "headers": given, "query_string": b""}


def a_gate(app: Any, store: SqlStore, **place_of: Any) -> Gate:
    place = Place(8080, **place_of)
    return Gate(app, place, Checkpoint(place, store, SystemClock(), Auth()))


class Exchange:
    """One request put to a gate, and what came back."""

    def __init__(self, scope: dict[str, Any], *chunks: bytes) -> None:
        self.scope = scope
        self.sent: list[dict[str, Any]] = []
        self._chunks = list(chunks) or [b""]

    async def receive(self) -> dict[str, Any]:
        body = self._chunks.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self._chunks)}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


async def never(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("it was let in")


async def answering(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


@pytest.mark.parametrize("host", [b"localhost:8080", b"evil.example"])
async def test_every_answer_carries_the_security_headers(store: SqlStore, host: bytes) -> None:
    exchange = Exchange(a_scope(host=host))

    await a_gate(answering, store)(exchange.scope, exchange.receive, exchange.send)

    assert b"default-src 'none'" in exchange.headers[b"content-security-policy"]
    assert b"unsafe" not in exchange.headers[b"content-security-policy"]
    assert exchange.headers[b"x-content-type-options"] == b"nosniff"
    assert exchange.headers[b"referrer-policy"] == b"same-origin"
    assert exchange.headers[b"cross-origin-opener-policy"] == b"same-origin"
    assert exchange.headers[b"cross-origin-resource-policy"] == b"same-origin"
    assert exchange.headers[b"cache-control"] == b"no-store"


async def test_a_websocket_of_another_site_is_closed_before_it_opens(store: SqlStore) -> None:
    exchange = Exchange(a_scope("websocket", host=b"localhost:8080", origin=b"https://evil.example"))

    await a_gate(answering, store)(exchange.scope, exchange.receive, exchange.send)

    assert [message["type"] for message in exchange.sent] == ["websocket.close"]


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_bound_is_refused_whether_its_length_is_declared_or_not(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    monkeypatch.setattr(gate, "MAX_BODY", 10)
    scope = a_scope("POST", host=b"localhost:8080", content_type=b"application/json")
    if declared:
        scope["headers"].append((b"content-length", b"11"))
    exchange = Exchange(scope, b"123456", b"789012")

    await a_gate(answering, store)(exchange.scope, exchange.receive, exchange.send)

    assert exchange.status == 413


async def test_who_follows_a_link_from_another_site_is_asked_to_come_again_from_here(store: SqlStore) -> None:
    link = a_scope(host=b"localhost:8080", accept=b"text/html,*/*", sec_fetch_site=b"cross-site")
    link["headers"] += [(b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")]
    link |= {"path": '/jobs/"><script>', "query_string": b"a=1&b=2"}
    exchange = Exchange(link)

    await a_gate(never, store)(exchange.scope, exchange.receive, exchange.send)

    assert exchange.status == 403
    assert b'content="0; url=/jobs/%22%3E%3Cscript%3E?a=1&amp;b=2"' in exchange.body


@pytest.mark.parametrize("dest", [b"iframe", b"object", b"image", b"empty"])
async def test_nothing_else_of_another_site_is_asked_to_come_again(store: SqlStore, dest: bytes) -> None:
    embedded = a_scope(host=b"localhost:8080", accept=b"text/html", sec_fetch_site=b"cross-site")
    embedded["headers"] += [(b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", dest)]
    exchange = Exchange(embedded | {"path": "/"})

    await a_gate(never, store)(exchange.scope, exchange.receive, exchange.send)

    assert exchange.status == 403
    assert b"refresh" not in exchange.body


BOARD = b"https://board.example"


async def test_a_page_of_a_listed_site_hears_that_it_may_ask_and_may_read_the_answer(store: SqlStore) -> None:
    the_gate = a_gate(answering, store, allowed_origins=frozenset({BOARD}))
    asking = a_scope("OPTIONS", host=b"localhost:8080", origin=BOARD, access_control_request_method=b"POST")
    may_it, answer = Exchange(asking), Exchange(a_scope(host=b"localhost:8080", origin=BOARD))

    await the_gate(may_it.scope, may_it.receive, may_it.send)
    await the_gate(answer.scope, answer.receive, answer.send)

    assert may_it.status == 204
    assert b"authorization" in may_it.headers[b"access-control-allow-headers"]
    assert may_it.headers[b"access-control-allow-origin"] == answer.headers[b"access-control-allow-origin"] == BOARD
    assert b"access-control-allow-credentials" not in answer.headers


async def test_nobody_else_hears_anything_of_it(store: SqlStore) -> None:
    the_gate = a_gate(answering, store, allowed_origins=frozenset({BOARD}))
    stranger = a_scope("OPTIONS", host=b"localhost:8080", origin=b"https://evil.example")
    stranger["headers"].append((b"access-control-request-method", b"POST"))
    refused, local = Exchange(stranger), Exchange(a_scope(host=b"localhost:8080"))

    await the_gate(refused.scope, refused.receive, refused.send)
    await the_gate(local.scope, local.receive, local.send)

    assert refused.status == 403
    assert b"access-control-allow-origin" not in {**refused.headers, **local.headers}
