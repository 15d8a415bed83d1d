"""Server-sent events: a feed written out as it comes, one task for each viewer.

The answer is 200 whatever happens later: a browser's EventSource dies for good on any other status, so trouble is told
in the stream. One exception is wanted: 204 stops a browser that comes back to the end of a closed tree.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
from starlette.types import Send

from quaero.domain.errors import InvalidInput, NotFound, StoreUnavailable
from quaero.domain.wire import parse_id
from quaero.gateway.answers import Answer, Sendable
from quaero.gateway.channel import Channel, chunk
from quaero.gateway.feed import AtTheEnd
from quaero.gateway.following import Following
from quaero.gateway.listing import bounded
from quaero.gateway.postponed import STREAM, UNBUFFERED, postponed
from quaero.gateway.routing import Headers, JobId, Media, Routes
from quaero.gateway.scope import Scope
from quaero.gateway.state import Gateway
from quaero.gateway.viewers import Viewers

routes = Routes()
log = logging.getLogger(__name__)
MAX_SERVICE, MAX_JOB = 500, 5_000
RETRY_MS = 1_000
SEND_SECONDS = 15.0  # a viewer that takes nothing for so long is closed; its cursor loses it nothing

HEADERS = [(b"content-type", STREAM), *UNBUFFERED]
EVENTS = {200: Media("text/event-stream"), 204: None}


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which entries, and from where: `cursor`, or the last `limit`; the header `Last-Event-ID` wins over `cursor`.

    `children` (`8..15`) are those of the job, or of its `step`, from one id to another, with all below them.
    """

    step: str | None = None
    children: str | None = None
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
    """One viewer's stream (a `Sendable` and a `Viewer`): the feed calls, and what there is goes out at once.

    It has no queue. While the connection is full it takes nothing from the feed, and goes on from its place. Having
    everything it walks abreast of those who have just as much.
    """

    sort: str = "stream"

    def __init__(self, following: Following, viewers: Viewers, channel: Channel) -> None:
        self._following = following
        self._viewers = viewers
        self._channel = channel
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._work: asyncio.Task[None] | None = None

    def leave(self, retry_ms: int) -> None:
        """Say `bye`, then end."""
        self._following.leave(retry_ms)

    def close(self) -> None:
        """End at once."""
        self._following.close()
        self._end()

    async def send(self, send: Send, *, with_body: bool = True) -> None:
        """Write the feed out until it ends, or the viewer is gone or does not read."""
        try:
            with self._viewers.staying(self):
                await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
                if with_body:
                    await self._serve()
            if not self._channel.is_full:
                await send({"type": "http.response.body", "body": b""})
        finally:
            self._channel.on_lost = None
            self._following.close()
            if self._work is not None:
                self._work.cancel()
            if self._channel.is_full:
                self._channel.abort()

    async def _serve(self) -> None:
        if self._channel.is_lost:  # while the feed was opened
            return
        self._channel.on_lost = self.close
        self._channel.write(chunk(b"retry: %d\nid: %s\ndata:\n\n" % (RETRY_MS, self._following.token)))
        self._following.on_news = self._push
        self._push()
        await self._ended

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _push(self) -> None:
        """Write what the feed has, unless some of it is still on its way."""
        following, channel = self._following, self._channel
        if self._work is not None and not following.is_closed:
            return
        while not channel.is_full and (part := following.next_part()) is not None:
            channel.write(part.chunk)
        if following.is_closed:
            self._end()
        elif channel.is_full:
            following.let_go()
            self._go_on_after(self._drain)
        elif following.is_behind:
            self._go_on_after(following.catch_up)
        else:
            following.fall_in(channel)

    def _go_on_after(self, wait: Callable[[], Awaitable[None]]) -> None:
        async def work() -> None:
            try:
                await wait()
            except (TimeoutError, StoreUnavailable):
                self.close()  # it comes again, and loses nothing
            except Exception:
                log.exception("a stream of tree %s broke off", following.root_id)
                self.close()
            self._work = None
            self._push()

        following = self._following
        self._work = asyncio.create_task(work())

    async def _drain(self) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._channel.drain()


@routes.get("/api/jobs/{id}/logs/stream", answers=EVENTS)
async def stream_job(gateway: Gateway, id: JobId, query: StreamQuery, headers: Headers, channel: Channel) -> Sendable:
    """The log of a job and all below it, live: history, then what is recorded, without a gap."""
    return await _stream_job(gateway, id, query, headers, channel)


@routes.get("/api/service/logs/stream", answers=EVENTS)
async def stream_service(gateway: Gateway, query: ServiceStreamQuery, headers: Headers, channel: Channel) -> Sendable:
    """The service log, live."""
    limit = bounded("limit", query.limit, 0, MAX_SERVICE)
    scope = gateway.feed.service_scope(query.level)
    return await _open(gateway, scope, _cursor(headers, query.cursor), limit, channel)


@routes.get("/api/logs/stream", answers=EVENTS)
async def stream_scope(gateway: Gateway, query: ScopedStreamQuery, headers: Headers, channel: Channel) -> Sendable:
    """The log of a scope, live: `scope=job&job_id=J`, or `scope=service`."""
    if query.scope == "job":
        job_id = parse_id(query.job_id or "")
        if job_id is None:
            raise InvalidInput("scope=job needs the job_id of a job")
        return await _stream_job(gateway, job_id, query, headers, channel)
    if query.job_id is not None or query.step is not None or query.children is not None:
        raise InvalidInput("job_id, step and children need scope=job")
    limit = bounded("limit", query.limit, 0, MAX_SERVICE)
    scope = gateway.feed.service_scope(query.level)
    return await _open(gateway, scope, _cursor(headers, query.cursor), limit, channel)


async def _stream_job(
    gateway: Gateway, job_id: int, query: StreamQuery, headers: Headers, channel: Channel
) -> Sendable:
    limit = bounded("limit", query.limit, 0, MAX_JOB)
    cursor = _cursor(headers, query.cursor)
    try:
        scope = await gateway.feed.scope(job_id, step=query.step, children=query.children, level=query.level)
        return await _open(gateway, scope, cursor, limit, channel)
    except StoreUnavailable as trouble:
        return postponed(str(trouble))
    except NotFound:
        if cursor and await gateway.store.job(job_id) is None:
            following = gateway.feed.follow_deleted(job_id, cursor)
            if following is not None:
                return EventStream(following, gateway.viewers, channel)
        raise


def _cursor(headers: Headers, cursor: str | None) -> str | None:
    """Where a viewer goes on: what its browser says wins, for that is newer than the address."""
    return headers.get(b"last-event-id", b"").decode("latin-1") or cursor


async def _open(gateway: Gateway, scope: Scope, cursor: str | None, limit: int, channel: Channel) -> Sendable:
    if gateway.draining:
        return postponed("this server is stopping")
    try:
        following = await gateway.feed.follow(scope, cursor=cursor, limit=limit)
    except AtTheEnd:
        return Answer(status=204)
    except StoreUnavailable as trouble:
        return postponed(str(trouble))
    return EventStream(following, gateway.viewers, channel)
