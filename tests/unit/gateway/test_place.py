"""Which requests may come from where: our own pages and local programs, and nobody else."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import binary, lists, one_of, sampled_from, tuples

from quaero.domain.errors import InvalidInput
from quaero.gateway.auth.place import Place, Refusal, gathered, is_loopback, needs_credential
from quaero.gateway.gate import judge_content
from quaero.settings import load

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


def judge(scope: dict[str, Any], place: Place) -> Refusal | None:
    headers = gathered(scope)
    if isinstance(headers, Refusal):
        return headers
    return place.judge(scope, headers) or (judge_content(scope, headers) if scope["type"] == "http" else None)


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
    place = Place(PORT, allowed_origins=frozenset({b"https://board.example"}))

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


@pytest.mark.parametrize("header", ["forwarded", "via", "x_forwarded_for", "x_forwarded_host", "x_real_ip"])
def test_an_open_server_is_not_served_through_a_proxy(header: str) -> None:
    assert not is_let_in("GET", host=b"127.0.0.1:8080", **{header: b"203.0.113.7"})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_on_loopback_no_credential_is_needed_unless_it_is_set(host: str) -> None:
    assert is_loopback(host)
    assert not needs_credential(load(environ={}, flags={"server.host": host}))
    assert needs_credential(load(environ={}, flags={"server.host": host, "auth.required": "true"}))
    assert needs_credential(load(environ={}, flags={"server.host": host, "auth.allowed_hosts": "jobs.example"}))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_off_loopback_a_credential_is_always_needed(host: str) -> None:
    assert needs_credential(load(environ={}, flags={"server.host": host, "auth.required": "false"}))


def test_an_address_that_does_not_exist_is_bad_input() -> None:
    with pytest.raises(InvalidInput, match=r"server\.host"):
        is_loopback("no such host")


def closed(host: str = "192.0.2.7", **more: str) -> Place:
    flags = {"server.host": host, **{name.replace("__", "."): value for name, value in more.items()}}
    return Place.of(load(environ={}, flags=flags), PORT)


@pytest.mark.parametrize(
    ("place", "host"),
    [
        (closed(), b"192.0.2.7:8080"),
        (closed(), b"localhost:8080"),
        (closed("0.0.0.0"), b"198.51.100.3:8080"),
        (closed("::"), b"[2001:db8::1]:8080"),
        (closed(auth__allowed_hosts="jobs.example"), b"jobs.example"),
        (closed(auth__allowed_hosts="jobs.example"), b"Jobs.Example:8443"),
        (closed(auth__allowed_hosts="jobs.example:8443"), b"jobs.example:8443"),
        (closed("127.0.0.1", auth__allowed_hosts="jobs.example"), b"jobs.example"),
    ],
)
def test_off_loopback_a_host_is_one_we_are_called_by(place: Place, host: bytes) -> None:
    own = b"http://" + host

    assert judge(a_scope(host=host), place) is None
    assert judge(a_scope("POST", host=host, origin=own, sec_fetch_site=b"same-origin"), place) is None
    assert judge(a_scope("POST", host=host, origin=own + b".evil.example"), place) is not None


@pytest.mark.parametrize(
    ("place", "host"),
    [
        (closed(), b"192.0.2.7:8081"),
        (closed(), b"192.0.2.8:8080"),
        (closed(), b"evil.example:8080"),
        (closed("0.0.0.0"), b"evil.example:8080"),
        (closed("0.0.0.0"), b"0x7f.1:8080"),
        (closed(auth__allowed_hosts="jobs.example"), b"jobs.example.evil.example"),
        (closed(auth__allowed_hosts="jobs.example"), b"evil-jobs.example"),
        (closed(auth__allowed_hosts="jobs.example"), b"jobs.example@evil.example"),
        (closed(auth__allowed_hosts="jobs.example:8443"), b"jobs.example"),
    ],
)
def test_off_loopback_other_hosts_are_refused(place: Place, host: bytes) -> None:
    refusal = judge(a_scope(host=host), place)

    assert refusal is not None
    assert refusal.status == 421


def a_proxied_scope(connected: str, **headers: bytes) -> dict[str, Any]:
    return {**a_scope("POST", host=b"jobs.example", **headers), "client": (connected, 1234), "scheme": "http"}


def test_only_a_trusted_proxy_says_who_asks_and_how() -> None:
    place = closed("127.0.0.1", auth__allowed_hosts="jobs.example", auth__trusted_proxies="127.0.0.1/32")
    told = {"x_forwarded_for": b"198.51.100.1, 203.0.113.9", "x_forwarded_proto": b"https"}
    scope, spoofed = a_proxied_scope("127.0.0.1", **told), a_proxied_scope("203.0.113.50", **told)
    headers = gathered(scope)
    assert not isinstance(headers, Refusal)

    assert place.client(scope, headers) == "203.0.113.9"
    assert place.is_https(scope, headers)
    assert place.client(spoofed, headers) == "203.0.113.50"
    assert not place.is_https(spoofed, headers)


def test_over_https_the_plain_page_of_the_same_name_is_another_site() -> None:
    place = closed("127.0.0.1", auth__allowed_hosts="jobs.example", auth__trusted_proxies="127.0.0.1/32")

    def asks(origin: bytes) -> bool:
        scope = a_proxied_scope("127.0.0.1", origin=origin, x_forwarded_proto=b"https")
        return judge(scope, place) is None

    assert asks(b"https://jobs.example")
    assert not asks(b"http://jobs.example")


@given(
    headers=lists(
        tuples(
            sampled_from([b"host", b"origin", b"sec-fetch-site", b"cookie", b"authorization", b"x-forwarded-for"]),
            one_of(binary(max_size=60), sampled_from([b"localhost:8080", b"http://localhost:8080", b"127.0.0.1"])),
        ),
        max_size=6,
    )
)
def test_whatever_the_headers_hold_it_is_judged_and_only_a_loopback_host_passes(headers: list[Any]) -> None:
    scope = {"type": "http", "method": "GET", "path": "/api/jobs", "headers": headers, "client": ("127.0.0.1", 1)}
    found = gathered(scope)

    verdict = judge(scope, Place(PORT))
    if not isinstance(found, Refusal):
        closed("127.0.0.1", auth__trusted_proxies="127.0.0.0/8", auth__required="true").client(scope, found)

    assert verdict is not None or dict(headers)[b"host"].lower() == b"localhost:8080"
