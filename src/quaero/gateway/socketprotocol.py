"""The library's WebSocket protocol, which also lets us cut a connection whose other side takes nothing.

Closing one would wait, for ever, until what was written is taken.
"""

from collections.abc import Callable
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

_ABORT = "quaero.abort"


class SocketProtocol(WebSocketsSansIOProtocol):
    """Offers `abort` to the application."""

    def handle_connect(self, event: Request) -> None:
        """A connection begins."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: dict[str, Any] = cast(Any, self.scope)["extensions"]
            extensions[_ABORT] = self.transport.abort


def abort_of(scope: Scope) -> Callable[[], None]:
    """How to cut the connection of this scope; nothing where the server does not offer it."""
    abort: Callable[[], None] = scope.get("extensions", {}).get(_ABORT, lambda: None)
    return abort
