"""How a request that must not pass is told so: as a problem, as the login page to people, before the handshake to a
WebSocket. And the one kindness to links: who follows one from another site is asked to come again from here.
"""

import asyncio
import html
from contextlib import suppress
from urllib.parse import quote

from starlette.types import Scope, Send

from quaero.domain.wire import Problem
from quaero.gateway.answers import Answer, Header, problem_answer
from quaero.gateway.auth.loginpage import login_page, shell
from quaero.gateway.auth.place import Refusal

CSP = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'; trusted-types 'none'"
)
SECURITY_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", CSP),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # with "no-referrer" a browser sends a form of ours as of no origin
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
FAREWELL_SECONDS = 0.5
CLOSE: Header = (b"connection", b"close")  # the body, if any, is not read


async def refuse(scope: Scope, refusal: Refusal, send: Send) -> None:
    """Answer with the reason."""
    if scope["type"] == "http":
        await _answer(scope, refusal).send(send, with_body=scope["method"] != "HEAD")
    else:  # before the handshake: the server answers 403
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.detail})


async def farewell(scope: Scope, refusal: Refusal, send: Send) -> None:
    """End an answer that is under way, or give one; nobody waits for a client that does not read."""
    with suppress(TimeoutError, RuntimeError):
        async with asyncio.timeout(FAREWELL_SECONDS):
            if scope["type"] == "http" and scope.get("is_answering"):
                await send({"type": "http.response.body", "body": b""})
            else:
                await refuse(scope, refusal, send)


def _answer(scope: Scope, refusal: Refusal) -> Answer:
    headers = [CLOSE]
    if refusal.retry_after:
        headers.append((b"retry-after", b"%d" % refusal.retry_after))
    if refusal.status == 405:
        headers.append((b"allow", b"GET, HEAD, POST, PUT, DELETE"))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="quaero"'))
        if _is_for_people(scope):
            query = scope["query_string"].decode("latin-1")
            then = f"{scope['path']}?{query}" if query else scope["path"]
            return login_page(then, status=401, headers=tuple(headers))
    title = refusal.reason.replace("-", " ")
    return problem_answer(Problem(f"urn:quaero:{refusal.reason}", title, refusal.status, refusal.detail), *headers)


def _is_for_people(scope: Scope) -> bool:
    """Whether a browser shows the answer as a page."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or scope["path"].startswith("/api"):
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def is_arrival(scope: Scope, refusal: Refusal) -> bool:
    """Whether it was refused only because somebody followed a link of another site to a page of ours."""
    if refusal.reason != "foreign-site" or not _is_for_people(scope):
        return False
    given = dict(scope["headers"])
    return given.get(b"sec-fetch-mode") == b"navigate" and given.get(b"sec-fetch-dest") == b"document"


def arrival(scope: Scope) -> Answer:
    """Still a refusal, but one that a browser reads as "come again": then our page asks, not the other site.

    It tells nothing and does nothing, and the second request brings the cookie that the first could not.
    """
    query = scope["query_string"].decode("latin-1")
    address = quote(scope["path"].encode(), safe="/:@!$'()*,;=~") + (f"?{query}" if query else "")
    address = html.escape(address if not address.startswith("//") else "/")
    head = f'<meta http-equiv="refresh" content="0; url={address}">'
    page = shell("Quaero", f'<p><a href="{address}">Go on</a></p>', head)
    return Answer(page, 403, b"text/html; charset=utf-8", (CLOSE, (b"cache-control", b"no-store")))
