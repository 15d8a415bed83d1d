"""The one gate in front of everything a gateway serves: REST, streams, WebSocket, pages, documents.

    request ──> headers that decide given once?              else 400
            ──> Host one we are called by?                   else 421: DNS rebinding
            ──> Origin, Sec-Fetch-Site ours or listed?       else 403: another site's page
            ──> a mutation's body is JSON?                   else 415: a form of another site
            ──> the body within its bound?                   else 413
            ──> who is it?                                   else 401, but for the public list
            ──> within what this identity may do at once?    else 429, a stream 200 with `bye`
            ──> the application, its answer sent with the security headers; a mutation goes into the audit

It decides on the raw scope, before any route is looked up, and alike for HTTP and WebSocket. Whether this caller may
use this route is the router's question, answered by what the route declares.
"""

import asyncio
from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quaero.domain.bounds import MIB
from quaero.domain.errors import QuaeroError
from quaero.gateway.answers import Header, error_answer
from quaero.gateway.auth.checkpoint import WRONG, Checkpoint
from quaero.gateway.auth.crossorigin import granted, preflight
from quaero.gateway.auth.login import FORMS, LoginDesk
from quaero.gateway.auth.place import Headers, Place, Refusal, gathered
from quaero.gateway.auth.principal import Principal
from quaero.gateway.auth.refusing import SECURITY_HEADERS, arrival, farewell, is_arrival, refuse
from quaero.gateway.postponed import is_stream, postponed

MAX_BODY = 32 * MIB  # a bulk of 10,000 jobs with room
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MUTATIONS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
PROBES = frozenset({"/api/health", "/api/ready"})
NO_STORE = (b"cache-control", b"no-store")
BUSY, STORE_AWAY = "busy", 503  # refusals that pass: the reason of one, the status of all others


class BodyTooLargeError(Exception):
    """A body without a declared length went over the bound; answered by the gate."""


def judge_content(scope: Scope, headers: Headers) -> Refusal | None:
    """Why a request of this method and body must not pass, None if it may."""
    method = scope["method"]
    if method not in SAFE and method not in MUTATIONS:
        return Refusal(405, "method", f"{method} is not a method of this server")
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > MAX_BODY:
        return Refusal(413, "body-too-large", f"a body may have {MAX_BODY} bytes at most")
    kind = headers.get(b"content-type")
    has_body = length != b"0" or b"transfer-encoding" in headers
    if method in MUTATIONS and (kind is not None or has_body):
        wanted = b"application/x-www-form-urlencoded" if scope["path"] in FORMS else b"application/json"
        if (kind or b"").partition(b";")[0].strip().lower() != wanted:
            return Refusal(415, "content-type", f"send the body as content-type {wanted.decode()}")
    return None


class Gate:
    """The ASGI application that stands before another one."""

    def __init__(self, app: ASGIApp, place: Place, checkpoint: Checkpoint) -> None:
        self._app = app
        self._place = place
        self._checkpoint = checkpoint
        self._desk = LoginDesk(checkpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it through or refuse it; never both."""
        if scope["type"] not in ("http", "websocket"):
            return
        headers = gathered(scope)
        if isinstance(headers, Refusal):
            await refuse(scope, headers, _guarded(scope, send))
            return
        leave = granted(self._place, headers)
        send = _guarded(scope, send, leave)
        refusal = self._place.judge(scope, headers)
        if refusal is None and scope["type"] == "http":
            refusal = judge_content(scope, headers)
        if refusal is not None:
            if is_arrival(scope, refusal):
                await arrival(scope).send(send, with_body=scope["method"] != "HEAD")
            else:
                await refuse(scope, refusal, send)
            return
        if leave and (asked := preflight(scope)):
            await asked.send(send)
            return
        await self._let_in(scope, headers, receive, send)

    async def close(self) -> None:
        """Let go of everyone."""
        await self._checkpoint.close()

    async def _let_in(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        try:
            principal = await self._checkpoint.who(scope, headers)
        except QuaeroError as error:  # who cannot be looked up is not let in
            principal = Refusal(error.http_status, error.problem, str(error), 1)
        if isinstance(principal, Refusal):
            await _refuse_for_now(scope, principal, send)
            return
        sort, is_mutation = _sort(scope), scope["type"] == "http" and scope["method"] in MUTATIONS
        refusal = self._checkpoint.begin(principal, sort, is_mutation=is_mutation)
        if refusal is not None:
            await _refuse_for_now(scope, refusal, send)
            return
        scope["principal"] = principal
        if is_mutation:
            send = self._audited(scope, headers, send)
        elif scope["path"] in PROBES and self._checkpoint.is_nobody(principal):
            send = _bare(send)
        try:
            if not await answered_for(principal, self._answer(scope, headers, _bounded(receive), send)):
                await farewell(scope, WRONG, send)
        except BodyTooLargeError:
            await refuse(scope, Refusal(413, "body-too-large", f"a body may have {MAX_BODY} bytes at most"), send)
        finally:
            principal.usage.end(sort)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if scope["path"] in FORMS and scope["type"] == "http":
            try:
                answer = await self._desk.answer(scope, headers, receive)
            except QuaeroError as error:
                answer = error_answer(error)
            await answer.send(send, with_body=scope["method"] != "HEAD")
        else:
            await self._app(scope, receive, send)

    def _audited(self, scope: Scope, headers: Headers, send: Send) -> Send:
        async def audited(message: Message) -> None:
            if message["type"] == "http.response.start":
                status, who = message["status"], scope["principal"].name
                if status != STORE_AWAY:  # then nothing was done, and an entry of it would wait for the same store
                    self._checkpoint.note(who, scope, headers, status, _target(scope, message))
            await send(message)

        return audited


def _target(scope: Scope, message: Message) -> str:
    """What a mutation was about, as far as its answer tells: a new thing is named by where it is found."""
    if message["status"] == 201:
        for name, value in message["headers"]:
            if name == b"location":
                return str(value.decode("latin-1").rpartition("/")[2])
    return ", ".join((scope.get("path_params") or {}).values())


def _sort(scope: Scope) -> str:
    if scope["type"] == "websocket":
        return "sockets"
    return "streams" if is_stream(scope) else "requests"


async def _refuse_for_now(scope: Scope, refusal: Refusal, send: Send) -> None:
    """Refuse; who may come again for a stream is told so in one."""
    if is_stream(scope) and (refusal.reason == BUSY or refusal.status == STORE_AWAY):
        await postponed(refusal.detail).send(send, with_body=scope["method"] != "HEAD")
    else:
        await refuse(scope, refusal, send)


async def answered_for(principal: Principal, answering: Awaitable[object]) -> bool:
    """Answer in the name of a principal; False if its credential ceased to count before the end."""
    task = asyncio.current_task()
    assert task is not None
    principal.holds(task)
    try:
        await answering
        return True
    except asyncio.CancelledError:
        if not principal.is_closed:
            raise
        task.uncancel()
        return False
    finally:
        principal.releases(task)


def _guarded(scope: Scope, send: Send, leave: tuple[Header, ...] = ()) -> Send:
    is_api = scope["path"].startswith("/api")
    always = (*SECURITY_HEADERS, *leave)

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"] = [*message.get("headers", ()), *always]
            scope["is_answering"] = True
            if is_api and not any(name == b"cache-control" for name, _ in headers):
                headers.append(NO_STORE)
        await send(message)

    return guarded


def _bare(send: Send) -> Send:
    """Only the status: a probe without a credential learns nothing else."""

    async def bare(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [(b"content-length", b"0")]
        elif message["type"] == "http.response.body":
            message["body"] = b""
        await send(message)

    return bare


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
