"""Server-sent events: a feed written out frame by frame, over raw ASGI.

The answer is 200 whatever happens later: a browser's EventSource dies for good on any other status, so trouble is told
in the stream. One exception is wanted: 204 stops a browser that comes back to the end of a closed tree.
"""

import asyncio
from collections.abc import Mapping
from typing import Literal

import msgspec
from starlette.types import Receive, Send

from quaero.domain.errors import InvalidInput
from quaero.domain.wire import parse_id
from quaero.gateway.answers import Answer, Sendable
from quaero.gateway.feed import AtTheEnd
from quaero.gateway.following import Following
from quaero.gateway.listing import bounded
from quaero.gateway.routing import Headers, JobId, Media, Routes
from quaero.gateway.scope import Scope
from quaero.gateway.state import Gateway
from quaero.gateway.viewers import Viewers

routes = Routes()
MAX_SERVICE, MAX_JOB = 500, 5_000
RETRY_MS = 1_000
SEND_SECONDS = 15.0  # a viewer that takes nothing for so long is closed; its cursor loses it nothing

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]
EVENTS = {200: Media("text/event-stream"), 204: None}


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which entries, and from where: `cursor`, or the last `limit`; the header `Last-Event-ID` wins over `cursor`."""

    step: str | None = None
    level: str = "info"
    limit: int = 100
    cursor: str | None = None


class ServiceStreamQuery(msgspec.Struct, forbid_unknown_fields=True):
    """As `StreamQuery`, of the service log."""

    level: str = "info"
    limit: int = 100
    cursor: str | None = None


class ScopedStreamQuery(StreamQuery, forbid_unknown_fields=True):
    """As `StreamQuery`; `scope` is `service`, or `job` with its `job_id`."""

    scope: Literal["service", "job"] = "service"
    job_id: str | None = None


class EventStream:
    """One viewer's stream (a `Sendable` and a `Viewer`)."""

    def __init__(self, following: Following, viewers: Viewers, receive: Receive) -> None:
        self._following = following
        self._viewers = viewers
        self._receive = receive

    def leave(self, retry_ms: int) -> None:
        """Say `bye`, then end."""
        self._following.leave(retry_ms)

    def close(self) -> None:
        """End at once."""
        self._following.close()

    async def send(self, send: Send, *, with_body: bool = True) -> None:
        """Write the feed out until it ends, or the viewer leaves or does not read."""
        watch = asyncio.create_task(self._watch())
        try:
            with self._viewers.staying(self):
                await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
                if with_body:
                    await self._write(send)
        finally:
            self._following.close()
            watch.cancel()

    async def _watch(self) -> None:
        """Stop when the viewer is gone."""
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self._following.close()

    async def _write(self, send: Send) -> None:
        priming = b"retry: %d\nid: %s\ndata:\n\n" % (RETRY_MS, self._following.token)
        try:
            await _send(send, priming)
            async for part in self._following:
                await _send(send, part.frame)
        except TimeoutError:
            return  # without an end of the body: the connection is cut
        await send({"type": "http.response.body", "body": b""})


async def _send(send: Send, frame: bytes) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await send({"type": "http.response.body", "body": frame, "more_body": True})


@routes.get("/api/jobs/{id}/logs/stream", answers=EVENTS)
async def stream_job(gateway: Gateway, id: JobId, query: StreamQuery, headers: Headers, receive: Receive) -> Sendable:
    """The log of a job and all below it, live: history, then what is recorded, without a gap."""
    return await _stream_job(gateway, id, query, headers, receive)


@routes.get("/api/service/logs/stream", answers=EVENTS)
async def stream_service(gateway: Gateway, query: ServiceStreamQuery, headers: Headers, receive: Receive) -> Sendable:
    """The service log, live."""
    limit = bounded("limit", query.limit, 0, MAX_SERVICE)
    scope = gateway.feed.service_scope(query.level)
    return await _open(gateway, scope, query.cursor, limit, headers, receive)


@routes.get("/api/logs/stream", answers=EVENTS)
async def stream_scope(gateway: Gateway, query: ScopedStreamQuery, headers: Headers, receive: Receive) -> Sendable:
    """The log of a scope, live: `scope=job&job_id=J`, or `scope=service`."""
    if query.scope == "job":
        job_id = parse_id(query.job_id or "")
        if job_id is None:
            raise InvalidInput("scope=job needs the job_id of a job")
        return await _stream_job(gateway, job_id, query, headers, receive)
    if query.job_id is not None or query.step is not None:
        raise InvalidInput("job_id and step need scope=job")
    limit = bounded("limit", query.limit, 0, MAX_SERVICE)
    scope = gateway.feed.service_scope(query.level)
    return await _open(gateway, scope, query.cursor, limit, headers, receive)


async def _stream_job(
    gateway: Gateway, job_id: int, query: StreamQuery, headers: Headers, receive: Receive
) -> Sendable:
    limit = bounded("limit", query.limit, 0, MAX_JOB)
    scope = await gateway.feed.scope(job_id, step=query.step, level=query.level)
    return await _open(gateway, scope, query.cursor, limit, headers, receive)


async def _open(
    gateway: Gateway,
    scope: Scope,
    cursor: str | None,
    limit: int,
    headers: Mapping[bytes, bytes],
    receive: Receive,
) -> Sendable:
    last = headers.get(b"last-event-id", b"").decode("latin-1")
    try:
        following = await gateway.feed.follow(scope, cursor=last or cursor, limit=limit)
    except AtTheEnd:
        return Answer(status=204)
    return EventStream(following, gateway.viewers, receive)
