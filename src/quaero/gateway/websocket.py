"""The WebSocket `/ws`: one connection for whatever a client shows, state and logs alike.

    client: subscribe {id, topic, ...} | ids {id, add, remove} | unsubscribe {id} | ping
    server: status (once), snapshot, the typed messages, logs; error, pong, bye

Messages are `{"type", "payload"}`. Without a subscription a client follows the lifecycle of roots and steps. A client
is bounded in what it may send, subscribe to and leave unread; where a bound bites it is told so.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from starlette.types import Receive, Scope, Send

from quaero.domain.access import Access
from quaero.domain.errors import InvalidInput, NotFound, QuaeroError, StoreUnavailable
from quaero.gateway.connection import Connection
from quaero.gateway.lifecycle import Lifecycle
from quaero.gateway.partings import LeavingError, StuckError, TooEagerError
from quaero.gateway.socketprotocol import Line, line_of
from quaero.gateway.state import Gateway
from quaero.gateway.stateplane import StatePlane
from quaero.gateway.subscribing import subscription_for
from quaero.gateway.topics import Envelope, Shown, Subscribe, SubscriptionId, Unsubscribe, envelope, json_of, parse_ids

PATH = "/ws"
MAX_MESSAGE = 64 * 1024  # bytes of one message of a client
MOST_CONNECTIONS = 4_096
FAREWELL_SECONDS = 0.5
RETRY_MS = 1_000
MESSAGES, WITHIN_SECONDS = 500, 10.0  # more of them within this time is no page that people look at
STUCK, TOO_EAGER, FULL, REFUSED, LEAVING = 4008, 4029, 1013, 1008, 1012

_CODES = ((StuckError, STUCK), (TooEagerError, TOO_EAGER), (LeavingError, LEAVING), (StoreUnavailable, FULL))
_log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(Envelope).decode


class Socket:
    """The ASGI application of `/ws`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._plane = StatePlane(
            gateway.store, gateway.feed, gateway.lookout, gateway.clock, gateway.settings.websocket
        )
        self._open: set[Connection] = set()
        self._looking: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until either side ends it."""
        await receive()  # websocket.connect
        if scope["path"] != PATH or scope["principal"].access < Access.VIEWER:
            await send({"type": "websocket.close", "code": REFUSED})
            return
        if self._gateway.draining or len(self._open) >= MOST_CONNECTIONS:
            await send({"type": "websocket.close", "code": FULL})
            return
        await send({"type": "websocket.accept"})
        line = line_of(scope)
        connection = Connection(send, self._plane.clock, line)
        with self._among_the_open(connection):
            try:
                code = await self._serve(connection, receive, line)
            finally:
                connection.close()
            if code is not None:
                await _close(send, code, line)

    @contextmanager
    def _among_the_open(self, connection: Connection) -> Iterator[None]:
        """The state plane runs for as long as there is a connection."""
        self._open.add(connection)
        if self._looking is None:
            self._looking = asyncio.create_task(self._plane.run())
            self._looking.add_done_callback(self._looked)
        try:
            yield
        finally:
            self._open.discard(connection)
            if not self._open and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    def _looked(self, looking: "asyncio.Task[None]") -> None:
        """The state plane ended: if nobody asked it to, that is a bug of ours, and nobody may be shown old state."""
        error = None if looking.cancelled() else looking.exception()
        if error is None:
            return
        _log.error("the state plane failed; its viewers are sent away", exc_info=error)
        self._looking = None
        for connection in self._open:
            connection.leave(RETRY_MS)

    async def _serve(self, connection: Connection, receive: Receive, line: Line) -> int | None:
        """Until either side ends it; the code to close with, None if the client has gone."""
        try:
            connection.answer(await self._hello())
        except StoreUnavailable:
            return FULL
        session = _Session(self._plane, connection)
        writer = asyncio.create_task(connection.write())
        tasks = [writer, asyncio.create_task(session.listen(receive))]
        try:
            with self._gateway.viewers.staying(_Visit(connection, writer, line)):
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next((code for task in tasks if task.done() and (code := _close_code(task))), None)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _hello(self) -> str:
        gateway = self._gateway
        about = {
            "server_instance_id": gateway.instance_id,
            "incarnation": gateway.store.incarnation,
            "version": gateway.version,
            "queue": msgspec.Raw((await self._plane.queue.read()).encode()),
        }
        return envelope("status", json_of(about))


def _close_code(task: "asyncio.Task[None]") -> int | None:
    """The code to close with, None when the client has gone already. Raises what is a bug of ours."""
    error = None if task.cancelled() else task.exception()
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    if error is not None and not isinstance(error, OSError):
        raise error
    return None


async def _close(send: Send, code: int, line: Line) -> None:
    """Say goodbye; who does not read is cut off."""
    try:
        async with asyncio.timeout(FAREWELL_SECONDS):
            await send({"type": "websocket.close", "code": code})
    except TimeoutError:
        line.abort()
    except OSError:
        return


class _Visit:
    """A connection as a viewer that can be sent away (implements `viewers.Viewer`)."""

    sort: str = "socket"

    def __init__(self, connection: Connection, writer: "asyncio.Task[None]", line: Line) -> None:
        self._connection = connection
        self._writer = writer
        self._line = line

    def leave(self, retry_ms: int) -> None:
        """Say goodbye, and end soon."""
        self._connection.leave(retry_ms)

    def close(self) -> None:
        """End at once."""
        self._line.abort()
        self._writer.cancel()


class _Session:
    """The listening side: what a client says becomes views of its connection."""

    def __init__(self, plane: StatePlane, connection: Connection) -> None:
        self._plane = plane
        self._connection = connection
        self._said: dict[str, Callable[[msgspec.Raw], None]] = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "ids": self._ids,
            "ping": self._ping,
        }
        self._lifecycle: Lifecycle | None = None
        self._heard = 0
        self._since = time.monotonic()
        self._follow_lifecycle()

    async def listen(self, receive: Receive) -> None:
        """Do what the client says until it has gone. Raises TooEagerError."""
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            self._count()
            text = message.get("text")
            self._hear(text if text is not None else message.get("bytes") or b"")

    def _count(self) -> None:
        now = time.monotonic()
        if now - self._since > WITHIN_SECONDS:
            self._since, self._heard = now, 0
        self._heard += 1
        if self._heard > MESSAGES:
            raise TooEagerError

    def _hear(self, text: str | bytes) -> None:
        subscription: SubscriptionId | None = None
        try:
            message = _decode(text)
            subscription = _subscription_of(message.payload)
            do = self._said.get(message.type)
            if do is None:
                raise InvalidInput(f"type {message.type[:40]!r} is not one: use {', '.join(self._said)}")
            do(message.payload)
        except QuaeroError as error:
            self._connection.refuse(error, subscription)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._connection.refuse(InvalidInput(f"this is no message that can be read: {error}"), subscription)

    def _follow_lifecycle(self) -> None:
        """A client without a subscription is told of roots and steps; one that says what it shows, of that alone."""
        if self._connection.has_subscriptions:
            if self._lifecycle is not None:
                self._connection.detach(self._lifecycle)
                self._lifecycle = None
        elif self._lifecycle is None:
            self._lifecycle = Lifecycle(self._plane, self._connection)
            self._connection.attach(self._lifecycle)

    def _subscribe(self, payload: msgspec.Raw) -> None:
        ask = msgspec.json.decode(payload, type=Subscribe)
        self._connection.add(ask.id, lambda: subscription_for(self._plane, self._connection, ask))
        self._follow_lifecycle()

    def _unsubscribe(self, payload: msgspec.Raw) -> None:
        self._connection.remove(msgspec.json.decode(payload, type=Unsubscribe).id)
        self._follow_lifecycle()

    def _ids(self, payload: msgspec.Raw) -> None:
        shown = msgspec.json.decode(payload, type=Shown)
        subscription = self._connection.subscription(shown.id)
        if subscription is None:
            raise NotFound(f"there is no subscription {shown.id!r}")
        subscription.show(parse_ids(shown.add), parse_ids(shown.remove))

    def _ping(self, payload: msgspec.Raw) -> None:
        self._connection.answer(envelope("pong", bytes(payload).decode()))


class _Named(msgspec.Struct):
    id: SubscriptionId | None = None


def _subscription_of(payload: msgspec.Raw) -> SubscriptionId | None:
    """The subscription a payload is about, so that an error can name it."""
    try:
        return msgspec.json.decode(payload, type=_Named).id
    except msgspec.MsgspecError:
        return None
