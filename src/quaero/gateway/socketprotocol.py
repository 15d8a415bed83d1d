"""The library's WebSocket protocol, which also offers the line under it: to write to when it has room, and to cut it.

Many clients get the same message in the same moment. Through ASGI each of them costs a frame of its own and ten times
what it takes to write the bytes. Closing a connection whose other side takes nothing would wait, for ever, until what
was written is taken.
"""

from functools import lru_cache
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State

_LINE = "quaero.line"
SHARED = 64  # messages whose frames are kept


class Line:
    """The connection under a WebSocket; this one knows nothing of it."""

    def write(self, text: str) -> bool:
        """Write a message if that can be done without waiting; whether it was."""
        return False

    @property
    def is_full(self) -> bool:
        """Whether the other side takes less than it is sent, as far as is known."""
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


@lru_cache(SHARED)
def _frame(text: str) -> bytes:
    """A message as a server sends it."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


class _KnownLine(Line):
    def __init__(self, protocol: SocketProtocol) -> None:
        self._protocol = protocol

    def write(self, text: str) -> bool:
        protocol = self._protocol
        connection, transport = protocol.conn, protocol.transport
        if not protocol.writable.is_set() or transport.is_closing() or connection.state is not State.OPEN:
            return False
        if connection.extensions:  # they would have a say in what a frame is
            return False
        transport.write(_frame(text))
        return True

    @property
    def is_full(self) -> bool:
        return not self._protocol.writable.is_set()

    def abort(self) -> None:
        self._protocol.transport.abort()


def line_of(scope: Scope) -> Line:
    """The line of this scope's connection, as far as the server knows it."""
    line: Line = scope.get("extensions", {}).get(_LINE) or Line()
    return line
