"""The one gate in front of everything a gateway serves: REST, streams, WebSocket, pages, documents.

    request ──> Host is a loopback name with our port?       else 421: DNS rebinding
            ──> Origin absent, our own, or listed?           else 403: another site's page
            ──> Sec-Fetch-Site absent, same-origin or none?  else 403: another site's page
            ──> a mutation's body is JSON?                   else 415: a form of another site
            ──> the body within its bound?                   else 413
            ──> fewer than the most at once?                 else 429
            ──> the application, its answer sent with the security headers

It decides on the raw scope, before any route is looked up, and alike for HTTP and WebSocket. On loopback any local
program may act; no other site can. It does not know users: off loopback, serving is refused at start.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quaero.domain.bounds import MIB
from quaero.domain.errors import InvalidInput
from quaero.domain.wire import Problem
from quaero.gateway.answers import problem_answer
from quaero.gateway.auth.principal import Principal, loopback

MAX_BODY = 32 * MIB  # a bulk of 10,000 jobs with room
MAX_AT_ONCE = 1_024  # requests under way
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MUTATIONS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ONCE = frozenset((b"host", b"origin", b"sec-fetch-site", b"content-type", b"content-length", b"transfer-encoding"))

CSP = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'; trusted-types 'none'"
)
SECURITY_HEADERS = (
    (b"content-security-policy", CSP),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
NO_STORE = (b"cache-control", b"no-store")

_LOOPBACK_HOST = re.compile(rb"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::(\d{1,5}))?")


class OpenBind(InvalidInput):
    """Serving off loopback without a credential was asked for: refused."""

    exit_code = 78
    problem = "open-bind"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the gate lets a request not through."""

    status: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway is reached: its port, and the other sites whose pages may use it (`https://host[:port]`)."""

    port: int
    allowed_origins: frozenset[bytes] = field(default_factory=frozenset)


def require_loopback(host: str) -> None:
    """Raise OpenBind unless every address `host` stands for is a loopback one."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise InvalidInput(f"server.host {host!r} is not an address of this machine: {error}") from None
    if not all(ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in found):
        raise OpenBind(
            f"refused to serve on {host}: without a credential everyone who can reach this machine could run jobs; "
            "serve on 127.0.0.1 (the default) and reach it through an SSH tunnel"
        )


def judge(scope: Scope, place: Place) -> Refusal | None:
    """Why this request or WebSocket must not pass, None if it may."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in ONCE:
            if name in headers:
                return Refusal(400, "repeated-header", f"the header {name.decode()} was given twice")
            headers[name] = value
    return (
        _judge_host(headers, place)
        or _judge_site(headers, place)
        or (_judge_content(scope["method"], headers) if scope["type"] == "http" else None)
    )


def _judge_host(headers: dict[bytes, bytes], place: Place) -> Refusal | None:
    match = _LOOPBACK_HOST.fullmatch(headers.get(b"host", b"").lower())
    if match is not None and int(match[1] or 80) == place.port:
        return None
    return Refusal(421, "wrong-host", f"this server answers only to localhost:{place.port} and its loopback addresses")


def _judge_site(headers: dict[bytes, bytes], place: Place) -> Refusal | None:
    origin = headers.get(b"origin")
    if origin is not None:
        if origin in place.allowed_origins:
            return None
        if origin.lower() != b"http://" + headers[b"host"].lower():
            return Refusal(403, "foreign-origin", "requests from pages of other sites are refused")
    if headers.get(b"sec-fetch-site", b"none") not in (b"same-origin", b"none"):
        return Refusal(403, "foreign-site", "requests that another site caused are refused")
    return None


def _judge_content(method: str, headers: dict[bytes, bytes]) -> Refusal | None:
    if method not in SAFE and method not in MUTATIONS:
        return Refusal(405, "method", f"{method} is not a method of this server")
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > MAX_BODY:
        return Refusal(413, "body-too-large", f"a body may have {MAX_BODY} bytes at most")
    kind = headers.get(b"content-type")
    has_body = length != b"0" or b"transfer-encoding" in headers
    if method in MUTATIONS and (kind is not None or has_body):
        plain = (kind or b"").partition(b";")[0].strip().lower()
        if plain != b"application/json":
            return Refusal(415, "content-type", "send the body as content-type application/json")
    return None


class BodyTooLargeError(Exception):
    """A body without a declared length went over the bound; answered by the gate."""


class Gate:
    """The ASGI application that stands before another one."""

    def __init__(self, app: ASGIApp, place: Place, *, max_at_once: int = MAX_AT_ONCE) -> None:
        self._app = app
        self._place = place
        self._max_at_once = max_at_once
        self._under_way = 0
        self._loopback = loopback()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it through or refuse it; never both."""
        if scope["type"] not in ("http", "websocket"):
            return
        send = _guarded(scope, send)
        refusal = judge(scope, self._place)
        if refusal is None and self._under_way >= self._max_at_once:
            refusal = Refusal(429, "busy", f"{self._max_at_once} requests are under way: try again in a second")
        if refusal is not None:
            await _refuse(scope, refusal, send)
            return
        scope["principal"] = self._loopback
        self._under_way += 1
        try:
            await _answered_for(self._loopback, self._app(scope, _bounded(receive), send))
        except BodyTooLargeError:
            await _refuse(scope, Refusal(413, "body-too-large", f"a body may have {MAX_BODY} bytes at most"), send)
        finally:
            self._under_way -= 1


async def _answered_for(principal: Principal, answering: Awaitable[object]) -> None:
    """Answer in the name of a principal, and stop answering when its credential no longer counts."""
    task = asyncio.current_task()
    assert task is not None
    principal.holds(task)
    try:
        await answering
    except asyncio.CancelledError:
        if not principal.is_closed:
            raise
        task.uncancel()
    finally:
        principal.releases(task)


async def _refuse(scope: Scope, refusal: Refusal, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.detail})
        return
    title = refusal.reason.replace("-", " ")
    document = Problem(f"urn:quaero:{refusal.reason}", title, refusal.status, refusal.detail)
    headers = [(b"connection", b"close")]  # the body, if any, is not read
    if refusal.status == 429:
        headers.append((b"retry-after", b"1"))
    await problem_answer(document, *headers).send(send, with_body=scope["method"] != "HEAD")


def _guarded(scope: Scope, send: Send) -> Send:
    is_api = scope["path"].startswith("/api")

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
            if is_api and not any(name == b"cache-control" for name, _ in headers):
                headers.append(NO_STORE)
        await send(message)

    return guarded


def _bounded(receive: Receive) -> Receive:
    total = 0

    async def bounded() -> Message:
        nonlocal total
        message = await receive()
        if message["type"] == "http.request":
            total += len(message.get("body", b""))
            if total > MAX_BODY:
                raise BodyTooLargeError
        return message

    return bounded
