"""The way out of a stream: straight to its connection, past the library's bookkeeping for ordinary answers.

A stream writes the same bytes to thousands of connections; through ASGI each of them costs a message, a copy and a
task. Our protocol class hands a `Channel` to whoever asks for one in `scope["extensions"]`; the answer is begun and
ended through ASGI as always. A channel also knows two things ASGI does not tell: that the other side is gone, at once,
and how to cut a connection whose other side takes nothing (closing it would wait for that).
"""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CHANNEL = "quaero.channel"
FULL_BYTES = 16 * 1024  # written and not taken, beyond what the system holds: then a connection is full


def chunk(data: bytes) -> bytes:
    """Bytes as one chunk of an answer of unknown length."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Channel:
    """One connection, while an answer on it is under way. `on_lost` is called once when the other side is gone; before
    it is set, `is_lost` tells.

    `write` takes a chunk; `is_full`: the other side takes less than it is sent, what is written now waits in memory.
    Both are looked up a thousand times in a row, so nothing stands between them and what they are.
    """

    __slots__ = ("_flow", "_transport", "is_full", "is_lost", "on_lost", "write")

    def __init__(self, transport: asyncio.Transport, flow: FlowControl) -> None:
        self._transport = transport
        self._flow = flow
        self.write: Callable[[bytes], None] = transport.write
        self.is_full = flow.write_paused
        self.is_lost = transport.is_closing()
        self.on_lost: Callable[[], None] | None = None

    async def drain(self) -> None:
        """Wait for room."""
        await self._flow.drain()

    def abort(self) -> None:
        """Cut the connection and forget what was not taken."""
        self._transport.abort()


class Protocol(HttpToolsProtocol):
    """The library's protocol, which also gives out channels."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._channel: Channel | None = None

    def on_message_begin(self) -> None:
        """A request begins: offer a channel for its answer."""
        super().on_message_begin()
        self.scope["extensions"] = {CHANNEL: self._open}  # type: ignore[dict-item]

    def _open(self) -> Channel:
        if not self.transport.is_closing():
            self.transport.set_write_buffer_limits(high=FULL_BYTES)
        self._channel = Channel(self.transport, self.flow)
        return self._channel

    def pause_writing(self) -> None:
        """The other side takes less than it is sent."""
        super().pause_writing()
        if self._channel is not None:
            self._channel.is_full = True

    def resume_writing(self) -> None:
        """The other side has taken most of it."""
        if self._channel is not None:
            self._channel.is_full = False
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone."""
        super().connection_lost(exc)
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.is_lost = True
            if channel.on_lost is not None:
                channel.on_lost()
