"""What a gateway serves, put together: the gate, then the routes. Every route there is stands in `ROUTES`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive, Scope, Send

from quaero.gateway import (
    actions,
    bulk,
    definitions,
    documents,
    enqueueing,
    events,
    jobs,
    logs,
    maps,
    metrics,
    page,
    queue,
    sse,
    status,
    workers,
)
from quaero.gateway.auth import access
from quaero.gateway.auth.checkpoint import Checkpoint
from quaero.gateway.auth.place import Place
from quaero.gateway.gate import Gate
from quaero.gateway.reference import describe
from quaero.gateway.routing import Router
from quaero.gateway.state import Gateway
from quaero.gateway.websocket import Socket

MODULES = (
    enqueueing,
    events,
    jobs,
    maps,
    logs,
    sse,
    actions,
    bulk,
    definitions,
    documents,
    queue,
    workers,
    status,
    metrics,
    access,
    page,
)
ROUTES = [route for module in MODULES for route in module.routes.all]
describe(ROUTES)


def application(gateway: Gateway, place: Place) -> Gate:
    """The ASGI application of one gateway process, its gate in front."""
    router, socket = Router(gateway, ROUTES), Socket(gateway)

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        await (socket if scope["type"] == "websocket" else router)(scope, receive, send)

    return Gate(either, place, Checkpoint(place, gateway.store, gateway.clock, gateway.settings.auth))


@asynccontextmanager
async def running(gateway: Gateway, place: Place) -> AsyncIterator[Gate]:
    """The application, with what runs beside it for as long as it is served."""
    app = application(gateway, place)
    feed = asyncio.create_task(gateway.feed.run())
    try:
        yield app
    finally:
        await app.close()
        feed.cancel()
        await asyncio.wait({feed})
