"""The gate lets our own page and local programs in, and nobody else."""

from itertools import product
from typing import Any

import pytest

from quaero.domain.errors import InvalidInput
from quaero.gateway import gate
from quaero.gateway.gate import Gate, OpenBind, Place, judge, require_loopback

PORT = 8080
GOOD_HOSTS = [b"localhost:8080", b"127.0.0.1:8080", b"127.9.8.7:8080", b"[::1]:8080", b"LOCALHOST:8080"]
BAD_HOSTS = [
    None,
    b"",
    b"localhost",
    b"localhost:80",
    b"localhost:8081",
    b"localhost.evil.example:8080",
    b"evil.example:8080",
    b"evil.example",
    b"127.0.0.1.evil.example:8080",
    b"localhost:8080.evil.example",
    b"127.0.0.1:8080@evil.example",
    b"evil.example@127.0.0.1:8080",
    b"192.168.0.7:8080",
    b"0.0.0.0:8080",
    b"[::]:8080",
    b"[::ffff:192.168.0.7]:8080",
    b"localhost.:8080",
    b"2130706433:8080",
    b"0x7f.1:8080",
    b"localhost:8080,evil.example",
    b"localhost:08080x",
]
BAD_ORIGINS = [
    b"null",
    b"",
    b"https://evil.example",
    b"http://evil.example:8080",
    b"http://localhost:8080.evil.example",
    b"http://localhost:8081",
    b"http://localhost",
    b"https://localhost:8080",
    b"http://127.0.0.2:8080",
    b"file://",
    b"chrome-extension://abcdef",
    b"http://evil.example#http://localhost:8080",
]
GOOD_SITES = [None, b"same-origin", b"none"]
BAD_SITES = [b"cross-site", b"same-site", b"", b"Same-Origin?", b"same-origin, cross-site"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "websocket"]


def a_scope(method: str = "GET", **headers: bytes | None) -> dict[str, Any]:
    given = [(name.replace("_", "-").encode(), value) for name, value in headers.items() if value is not None]
    scope: dict[str, Any] = {"type": "http", "method": method, "path": "/api/jobs", "headers": given}
    if method == "websocket":
        scope = {"type": "websocket", "path": "/ws", "headers": given}
    return scope


def is_let_in(method: str, **headers: bytes | None) -> bool:
    return judge(a_scope(method, **headers), Place(PORT)) is None


def test_every_request_of_another_site_or_host_is_refused() -> None:
    own = [b"http://localhost:8080"]
    strangers = [
        *product(METHODS, BAD_HOSTS, [None, *own, *BAD_ORIGINS], [*GOOD_SITES, *BAD_SITES]),
        *product(METHODS, GOOD_HOSTS, BAD_ORIGINS, [*GOOD_SITES, *BAD_SITES]),
        *product(METHODS, GOOD_HOSTS, [None, *own], BAD_SITES),
    ]

    accepted = [s for s in strangers if is_let_in(s[0], host=s[1], origin=s[2], sec_fetch_site=s[3])]

    assert len(strangers) > 3_000
    assert accepted == []


def test_local_programs_and_our_own_page_are_let_in() -> None:
    for method, host, site in product(METHODS, GOOD_HOSTS, GOOD_SITES):
        assert is_let_in(method, host=host, sec_fetch_site=site)
        assert is_let_in(method, host=host, origin=b"http://" + host, sec_fetch_site=site)


def test_our_own_page_under_another_loopback_name_is_another_site() -> None:
    assert not is_let_in("POST", host=b"127.0.0.1:8080", origin=b"http://localhost:8080")


def test_a_listed_origin_may_come_from_another_site() -> None:
    place = Place(PORT, frozenset({b"https://board.example"}))

    listed = a_scope("POST", host=b"localhost:8080", origin=b"https://board.example", sec_fetch_site=b"cross-site")
    like_it = a_scope("POST", host=b"localhost:8080", origin=b"https://board.example.evil", sec_fetch_site=b"none")

    assert judge(listed, place) is None
    assert judge(like_it, place) is not None


@pytest.mark.parametrize("name", ["host", "origin", "sec-fetch-site", "content-type", "content-length"])
def test_a_header_that_decides_may_not_be_given_twice(name: str) -> None:
    scope = a_scope("POST", host=b"localhost:8080")
    scope["headers"] += [(name.encode(), b"localhost:8080")] * (1 if name == "host" else 2)

    refusal = judge(scope, Place(PORT))

    assert refusal is not None
    assert refusal.status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "kind", [b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x", b""]
)
def test_a_form_of_another_site_cannot_mutate_even_without_an_origin(method: str, kind: bytes) -> None:
    assert not is_let_in(method, host=b"localhost:8080", content_type=kind)
    assert not is_let_in(method, host=b"localhost:8080", content_type=kind, content_length=b"12")
    assert not is_let_in(method, host=b"localhost:8080", content_length=b"12")
    assert not is_let_in(method, host=b"localhost:8080", transfer_encoding=b"chunked")


def test_json_bodies_and_empty_mutations_are_let_in() -> None:
    assert is_let_in("POST", host=b"localhost:8080", content_type=b"application/json; charset=utf-8")
    assert is_let_in("POST", host=b"localhost:8080", content_length=b"0")
    assert is_let_in("POST", host=b"localhost:8080")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get"])
def test_methods_we_do_not_have_are_refused(method: str) -> None:
    assert not is_let_in(method, host=b"localhost:8080")


def test_on_port_80_a_host_needs_no_port() -> None:
    scope = a_scope("POST", host=b"localhost", origin=b"http://localhost")

    assert judge(scope, Place(80)) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_loopback_addresses_may_be_served_on(host: str) -> None:
    require_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_serving_off_loopback_is_refused_with_exit_78_and_the_reason(host: str) -> None:
    with pytest.raises(OpenBind, match="without a credential") as caught:
        require_loopback(host)

    assert caught.value.exit_code == 78


def test_an_address_that_does_not_exist_is_bad_input() -> None:
    with pytest.raises(InvalidInput, match=r"server\.host"):
        require_loopback("no such host")


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
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


async def answering(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


@pytest.mark.anyio
@pytest.mark.parametrize("host", [b"localhost:8080", b"evil.example"])
async def test_every_answer_carries_the_security_headers(host: bytes) -> None:
    exchange = Exchange(a_scope(host=host))

    await Gate(answering, Place(PORT))(exchange.scope, exchange.receive, exchange.send)

    assert b"default-src 'none'" in exchange.headers[b"content-security-policy"]
    assert b"unsafe" not in exchange.headers[b"content-security-policy"]
    assert exchange.headers[b"x-content-type-options"] == b"nosniff"
    assert exchange.headers[b"referrer-policy"] == b"no-referrer"
    assert exchange.headers[b"cross-origin-opener-policy"] == b"same-origin"
    assert exchange.headers[b"cross-origin-resource-policy"] == b"same-origin"
    assert exchange.headers[b"cache-control"] == b"no-store"


@pytest.mark.anyio
async def test_a_websocket_of_another_site_is_closed_before_it_opens() -> None:
    exchange = Exchange(a_scope("websocket", host=b"localhost:8080", origin=b"https://evil.example"))

    await Gate(answering, Place(PORT))(exchange.scope, exchange.receive, exchange.send)

    assert [message["type"] for message in exchange.sent] == ["websocket.close"]


@pytest.mark.anyio
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_bound_is_refused_whether_its_length_is_declared_or_not(
    monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    monkeypatch.setattr(gate, "MAX_BODY", 10)
    scope = a_scope("POST", host=b"localhost:8080", content_type=b"application/json")
    if declared:
        scope["headers"].append((b"content-length", b"11"))
    exchange = Exchange(scope, b"123456", b"789012")

    await Gate(answering, Place(PORT))(exchange.scope, exchange.receive, exchange.send)

    assert exchange.status == 413


@pytest.mark.anyio
async def test_more_requests_at_once_than_the_bound_are_told_when_to_come_again() -> None:
    inner = Exchange(a_scope(host=b"localhost:8080"))

    async def asking_again(scope: Any, receive: Any, send: Any) -> None:
        await the_gate(inner.scope, inner.receive, inner.send)
        await answering(scope, receive, send)

    the_gate = Gate(asking_again, Place(PORT), max_at_once=1)
    outer = Exchange(a_scope(host=b"localhost:8080"))
    await the_gate(outer.scope, outer.receive, outer.send)

    assert (outer.status, inner.status) == (200, 429)
    assert inner.headers[b"retry-after"] == b"1"
