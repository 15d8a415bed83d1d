"""What a gateway serves, put together: the gate, then the routes. Every route there is stands in `ROUTES`."""

from starlette.types import ASGIApp

from quaero.gateway import (
    actions,
    definitions,
    enqueueing,
    jobs,
    logs,
    maps,
    page,
    queue,
)
from quaero.gateway.gate import Gate, Place
from quaero.gateway.routing import Router
from quaero.gateway.state import Gateway

MODULES = (
    enqueueing,
    jobs,
    maps,
    logs,
    actions,
    definitions,
    queue,
    page,
)
ROUTES = [route for module in MODULES for route in module.routes.all]


def application(gateway: Gateway, place: Place) -> ASGIApp:
    """The ASGI application of one gateway process, its gate in front."""
    return Gate(Router(gateway, ROUTES), place)
