"""Serving: uvicorn inside our own loop, stopped by us and not by signals.

    bind ──> serve until `stop` is set ──> drain: no new mutations, viewers are told `bye`, what is under way ends

A port that is taken, an address that is not ours or a bind off loopback is refused in one line before anything starts.
"""

import asyncio
import errno
import logging
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn

from quaero.domain.errors import InvalidInput
from quaero.gateway.application import running
from quaero.gateway.auth.place import Place, is_loopback
from quaero.gateway.channel import Protocol
from quaero.gateway.socketprotocol import SocketProtocol
from quaero.gateway.state import Gateway
from quaero.gateway.websocket import MAX_MESSAGE

log = logging.getLogger("quaero.gateway")
BACKLOG = 2048
DRAIN_SECONDS = 5
FAREWELL_SECONDS = 1.5  # for viewers to take their `bye`
RETRY_MS = (200, 3_000)  # spread over so long, those sent away do not come back all at once


def bind(host: str, port: int) -> socket.socket:
    """A listening socket (port 0: any free one). Raises InvalidInput if it cannot be had."""
    is_loopback(host)  # says so if there is no such host
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        taken = f"port {port} is in use: choose another with --port" if error.errno == errno.EADDRINUSE else str(error)
        raise InvalidInput(f"cannot serve on {host}:{port}: {taken}") from None
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    """uvicorn with our stop instead of signals, and our drain."""

    def __init__(
        self, config: uvicorn.Config, gateway: Gateway, stop: asyncio.Event, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._stop = stop
        self._on_ready = on_ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program, not to a library in it."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, then say so."""
        await super().startup(sockets=sockets)
        for listener in sockets or ():
            log.info("serving on %s:%d", *listener.getsockname()[:2])
        self._on_ready()

    async def main_loop(self) -> None:
        """Keep the date header right until it is time to stop: one wake-up a second, uvicorn's own makes ten."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._stop.wait()
                self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse what is new and send viewers away first: the library would wait for their streams to end."""
        self._gateway.draining = True
        log.info("takes nothing new, ends what is under way")
        for server in self.servers:
            server.close()
        viewers = self._gateway.viewers
        viewers.send_away(_delays())
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await viewers.gone()
        viewers.close_all()
        await super().shutdown(sockets=sockets)


def _delays() -> Iterator[int]:
    while True:
        yield random.randint(*RETRY_MS)


async def serve(
    gateway: Gateway,
    listener: socket.socket,
    *,
    stop: asyncio.Event,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve on a bound socket until `stop` is set, then end within `DRAIN_SECONDS`. Closes the socket."""
    place = Place.of(gateway.settings, listener.getsockname()[1])
    try:
        async with running(gateway, place) as app:
            config = uvicorn.Config(
                app,
                http=Protocol,
                ws=SocketProtocol,
                ws_max_size=MAX_MESSAGE,
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=DRAIN_SECONDS,
                backlog=BACKLOG,
            )
            await _Server(config, gateway, stop, on_ready).serve([listener])
    finally:
        listener.close()
