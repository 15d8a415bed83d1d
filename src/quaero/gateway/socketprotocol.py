"""The library's WebSocket protocol, which also tells whether a connection has room, and lets us cut it.

Closing a connection whose other side takes nothing would wait, for ever, until what was written is taken.
"""

from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

_LINE = "quaero.line"


class Line:
    """The connection under a WebSocket; this one knows nothing of it."""

    @property
    def has_room(self) -> bool:
        """Whether a message can be written without waiting; False also when nobody knows."""
        return False

    def abort(self) -> None:
        """Cut the connection and forget what was not taken."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """Offers its line to the application."""

    def handle_connect(self, event: Request) -> None:
        """A connection begins."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: dict[str, Any] = cast(Any, self.scope)["extensions"]
            extensions[_LINE] = _KnownLine(self)


class _KnownLine(Line):
    def __init__(self, protocol: SocketProtocol) -> None:
        self._protocol = protocol

    @property
    def has_room(self) -> bool:
        return self._protocol.writable.is_set()

    def abort(self) -> None:
        self._protocol.transport.abort()


def line_of(scope: Scope) -> Line:
    """The line of this scope's connection, as far as the server knows it."""
    line: Line = scope.get("extensions", {}).get(_LINE) or Line()
    return line
