"""A small typed router: a route is a function whose parameters say what it needs.

    @routes.get("/api/jobs/{id}")
    async def show_job(gateway: Gateway, id: JobId) -> WireJobDetail: ...

    @routes.post("/api/jobs", needs=Access.SUBMITTER, answers={201: WireJob | WireIds})
    async def create_jobs(gateway: Gateway, body: JobRequest | list[JobRequest]) -> Answer: ...

`gateway` is the process's state, names in braces come from the path (`JobId`: a number, `str`: as it stands), `query`
and `body` are decoded into the annotated msgspec type (unknown fields refused), `headers` are the raw ones, `principal`
is who asks, `channel` the way out of a stream. What it returns is sent as JSON, with status 200; a route that makes
its `Answer` itself says in `answers` what they are, by status. `needs` is the least a caller must be allowed; unless
said, reading needs a viewer, all else an operator. Signatures are read once, when the routes are declared; a request
costs a table look-up and the decoding.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NewType
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope, Send

from quaero.domain.access import Access
from quaero.domain.errors import InvalidInput, NotFound, QuaeroError
from quaero.domain.wire import Problem, parse_id
from quaero.gateway.answers import Answer, Sendable, Stream, error_answer, json_answer, problem_answer
from quaero.gateway.channel import CHANNEL
from quaero.gateway.gate import MUTATIONS, BodyTooLargeError
from quaero.gateway.state import Gateway

JobId = NewType("JobId", int)
Endpoint = Callable[..., Awaitable[Any]]
Headers = Mapping[bytes, bytes]
Answers = Mapping[int, Any]
Declare = Callable[[Endpoint], Endpoint]
_ITS_OWN: Answers = {}
MAX_PARAMETERS = 50

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Media:
    """An answer that is not JSON: its content type, others it may have, and its type as JSON if it may be that too."""

    type: str
    json: Any = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. `body` decodes the request's body, None if it takes none."""

    method: str
    path: str
    endpoint: Endpoint
    wants: tuple[str, ...]
    query: type | None
    body_type: Any
    body: Callable[[bytes], Any] | None
    names: Mapping[str, Any]  # what the path gives, and as what
    answers: Mapping[int, Any]  # what it answers when all is well: by status, a JSON type or a `Media`
    doc: str
    needs: Access


@dataclass(slots=True)
class Routes:
    """Routes declared together, in one module."""

    all: list[Route] = field(default_factory=list)

    def get(self, path: str, *, needs: Access = Access.VIEWER, answers: Answers = _ITS_OWN) -> Declare:
        """Declare a route that only reads."""
        return self._declare("GET", path, needs, answers)

    def post(self, path: str, *, needs: Access = Access.OPERATOR, answers: Answers = _ITS_OWN) -> Declare:
        """Declare a route that does something."""
        return self._declare("POST", path, needs, answers)

    def put(self, path: str, *, needs: Access = Access.OPERATOR, answers: Answers = _ITS_OWN) -> Declare:
        """Declare a route that replaces something."""
        return self._declare("PUT", path, needs, answers)

    def delete(self, path: str, *, needs: Access = Access.OPERATOR, answers: Answers = _ITS_OWN) -> Declare:
        """Declare a route that removes something."""
        return self._declare("DELETE", path, needs, answers)

    def _declare(self, method: str, path: str, needs: Access, answers: Answers) -> Declare:
        def declare(endpoint: Endpoint) -> Endpoint:
            self.all.append(_route(method, path, endpoint, needs, answers))
            return endpoint

        return declare


def _route(method: str, path: str, endpoint: Endpoint, needs: Access, answers: Answers) -> Route:
    signature = inspect.signature(endpoint, eval_str=True)
    wants = signature.parameters
    known = {"gateway", "query", "body", "headers", "channel", "principal", *_names(path)}
    if unknown := set(wants) - known:
        raise TypeError(f"{endpoint.__name__} wants {sorted(unknown)}, a route offers {sorted(known)}")
    body_type = wants["body"].annotation if "body" in wants else None
    return Route(
        method=method,
        path=path,
        endpoint=endpoint,
        wants=tuple(wants),
        query=wants["query"].annotation if "query" in wants else None,
        body_type=body_type,
        body=msgspec.json.Decoder(body_type).decode if body_type is not None else None,
        names={name: wants[name].annotation for name in _names(path)},
        answers=answers
        or ({} if signature.return_annotation in (Answer, Stream, Sendable) else {200: signature.return_annotation}),
        doc=inspect.getdoc(endpoint) or "",
        needs=needs,
    )


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


class Router:
    """The ASGI application of the REST routes."""

    def __init__(self, gateway: Gateway, routes: Iterable[Route]) -> None:
        self.routes = list(routes)
        self._gateway = gateway
        self._plain: dict[str, dict[str, Route]] = {}
        self._shaped: dict[int, list[tuple[tuple[str, ...], dict[str, Route]]]] = {}
        for route in self.routes:
            self._methods_of(route.path)[route.method] = route

    def _methods_of(self, path: str) -> dict[str, Route]:
        if not _names(path):
            return self._plain.setdefault(path, {})
        parts = tuple(path.split("/"))
        bucket = self._shaped.setdefault(len(parts), [])
        for shape, methods in bucket:
            if shape == parts:
                return methods
        bucket.append((parts, {}))
        return bucket[-1][1]

    def _find(self, path: str, method: str) -> tuple[dict[str, Route], dict[str, str]]:
        """The routes of a path by their methods. A name that is also a word of ours (`/validate`) is still a name."""
        plain = self._plain.get(path, {})
        if method in plain:
            return plain, {}
        given = path.split("/")
        for shape, methods in self._shaped.get(len(given), ()):
            if all(want == part or want[:1] == "{" for want, part in zip(shape, given, strict=True)):
                params = {w[1:-1]: p for w, p in zip(shape, given, strict=True) if w[:1] == "{"}
                if not plain or _can_name(methods.get(method), params):
                    return methods, params
        return plain, {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Whatever goes wrong is answered too, as a problem."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        began = time.perf_counter()
        try:
            answer: Sendable = await self._answer(scope, receive)
        except QuaeroError as error:
            answer = error_answer(error)
            if answer.status >= 500:
                _log.warning("%s %s failed: %s", scope["method"], scope["path"], error)
        except msgspec.MsgspecError as error:
            answer = error_answer(InvalidInput(str(error)))
        except BodyTooLargeError:
            raise
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            answer = problem_answer(Problem("urn:quaero:internal", "internal", 500, "see the server's log"))
        route = scope.get("route")
        if route is not None:
            took = time.perf_counter() - began
            self._gateway.requests.count(scope["method"], route.path, getattr(answer, "status", 200), took)
        sending = answer.send(send, with_body=scope["method"] != "HEAD")
        await (_while_connected(receive, sending) if isinstance(answer, Stream) else sending)

    async def _answer(self, scope: Scope, receive: Receive) -> Sendable:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        methods, params = self._find(scope["path"], method)
        route = methods.get(method)
        if route is None:
            return _no_route(scope, methods)
        scope["route"], scope["path_params"] = route, params
        if scope["principal"].access < route.needs:
            return _not_allowed(route)
        if self._gateway.draining and method in MUTATIONS:
            return _draining()
        result = await route.endpoint(**await self._arguments(route, scope, receive, params))
        return result if isinstance(result, Sendable) else json_answer(result)

    async def _arguments(self, route: Route, scope: Scope, receive: Receive, params: dict[str, str]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name in route.wants:
            if name == "gateway":
                given[name] = self._gateway
            elif name == "query":
                given[name] = _query(scope["query_string"], route.query)
            elif name == "headers":
                given[name] = dict(scope["headers"])
            elif name == "channel":
                given[name] = scope["extensions"][CHANNEL]()
            elif name == "principal":
                given[name] = scope["principal"]
            elif name == "body" and route.body is not None:
                given[name] = route.body(await _read(receive) or b"{}")
            else:
                given[name] = params[name] if route.names[name] is str else _job_id(params[name])
        if route.query is None and scope["query_string"]:
            raise InvalidInput("this route takes no query parameters")
        return given


def _can_name(route: Route | None, params: Mapping[str, str]) -> bool:
    """Whether these parts of a path are what this route takes for names."""
    return route is not None and all(kind is str or parse_id(params[name]) for name, kind in route.names.items())


async def _while_connected(receive: Receive, sending: Awaitable[None]) -> None:
    """Send until all is sent or the other side is gone: nobody makes what nobody takes."""
    sent = asyncio.ensure_future(sending)
    left = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({sent, left}, return_when=asyncio.FIRST_COMPLETED)
        if sent.done():
            sent.result()
    finally:
        sent.cancel()
        left.cancel()
        await asyncio.wait({sent, left})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _no_route(scope: Scope, methods: Mapping[str, Route]) -> Answer:
    if not methods:
        return problem_answer(Problem("urn:quaero:not-found", "not found", 404, f"there is no {scope['path']}"))
    allowed = sorted({*methods, *(("HEAD",) if "GET" in methods else ())})
    document = Problem("urn:quaero:method", "method", 405, f"{scope['path']} takes {', '.join(allowed)}")
    return problem_answer(document, (b"allow", ", ".join(allowed).encode()))


def _not_allowed(route: Route) -> Answer:
    detail = f"{route.method} {route.path} needs a credential with scope {route.needs.word} or above"
    return problem_answer(Problem("urn:quaero:scope", "scope", 403, detail))


def _draining() -> Answer:
    document = Problem("urn:quaero:draining", "draining", 503, "this server is stopping: try again in a few seconds")
    return problem_answer(document, (b"retry-after", b"2"))


def _job_id(text: str) -> JobId:
    number = parse_id(text)
    if number is None:
        raise NotFound(f"there is no job {text[:40]!r}: a job id is a number")
    return JobId(number)


def _query(raw: bytes, kind: type | None) -> Any:
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict")
    except ValueError as error:
        raise InvalidInput(f"the query string cannot be read: {error}") from None
    given = dict(pairs)
    if len(given) != len(pairs):
        raise InvalidInput("a query parameter was given twice")
    return msgspec.convert(given, kind, strict=False)


async def _read(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidInput("the connection ended before the body did")
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
