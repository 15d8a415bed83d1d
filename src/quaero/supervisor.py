"""`quaero up`: a worker and gateways on one machine, started, watched and restarted by this process.

It runs nothing itself and opens no store while they run: what can crash is in the children, and a child that dies, or
whose event loop has not turned for a lease and a grace, is started again. The gateway's socket is bound here, so it
stays ours while a gateway restarts.
"""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from quaero import __version__
from quaero.app import FENCED, Order
from quaero.domain.entries import Level, Line
from quaero.domain.errors import QuaeroError
from quaero.settings import Settings

RESTART_FIRST, RESTART_MOST = 0.2, 10.0
STABLE_SECONDS = 10.0
PATIENCE_LEAST = 5.0
START_SECONDS = 60.0  # for a child to say that it is ready: a slow machine reads much before that
MAX_NEWS = 20


class ChildFailed(QuaeroError):
    """A child process said why it cannot run, and never did: starting it again would not help."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]


@dataclass(slots=True)
class Child:
    """One process this supervisor keeps alive. `news`: what the service log is to learn, by its next start."""

    role: str
    order: Order
    process: asyncio.subprocess.Process | None = None
    news: list[Line] = field(default_factory=list)

    def tell(self, level: Level, message: str) -> None:
        """Say something about it to whoever started this program, and to the service log."""
        sys.stderr.write(f"quaero: {message}\n")
        self.news = [*self.news[1 - MAX_NEWS :], Line(time.time_ns() // 1_000, level, message)]


class Supervisor:
    """Keeps the children of one `quaero up` alive until it is told to stop."""

    def __init__(
        self, settings: Settings, *, app: str | None, listener: socket.socket | None, work: bool = True
    ) -> None:
        self._children: list[Child] = []
        if work:
            self._children.append(Child("worker", Order(settings, app)))
        if listener is not None:
            order = Order(settings, app, listener.fileno(), __version__)
            self._children += [Child("gateway", order) for _ in range(settings.server.gateways)]
        self._listener = listener
        self._patience = max(PATIENCE_LEAST, (settings.queue.lease + settings.queue.grace) / 1e6)
        self._stopping = asyncio.Event()
        self._signals = 0

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Run until stopped; `on_ready` is called once all children said they are ready. Raises ChildFailed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        ready = [loop.create_future() for _ in self._children]
        keepers = [asyncio.create_task(self._keep(c, r)) for c, r in zip(self._children, ready, strict=True)]
        announcer = asyncio.create_task(_announce(ready, on_ready))
        try:
            done, _ = await asyncio.wait(keepers, return_when=asyncio.FIRST_EXCEPTION)
            for keeper in done:
                keeper.result()
        finally:
            announcer.cancel()
            self.stop()
            await asyncio.gather(*keepers, return_exceptions=True)

    def stop(self) -> None:
        """Ask the children to drain; the second call ends them at once (they pass it on)."""
        self._stopping.set()
        self._signals += 1
        if self._listener is not None:
            self._listener.close()  # or callers would queue at a socket that nobody serves any more
        for child in self._children:
            if child.process is not None and child.process.returncode is None and self._signals <= 2:
                child.process.send_signal(signal.SIGTERM)

    async def _keep(self, child: Child, ready: "asyncio.Future[None]") -> None:
        delay = RESTART_FIRST
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            started = loop.time()
            await self._start(child)
            error = await self._read(child, ready)
            code = await child.process.wait() if child.process is not None else 0
            if error is not None and not ready.done():
                raise ChildFailed(error, code or 1)
            if self._stopping.is_set():
                return
            delay = RESTART_FIRST if loop.time() - started > STABLE_SECONDS else min(delay * 2, RESTART_MOST)
            why = "lost its lease" if code == FENCED else f"ended with code {code}"
            told = f" ({error})" if error is not None else ""
            child.tell(Level.ERROR, f"the {child.role} {why}{told}; starting it again")
            try:
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def _start(self, child: Child) -> None:
        child.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "quaero.app",
            child.role,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(self._listener.fileno(),) if self._listener is not None else (),
            # ctrl-C in a terminal is for this process alone: it asks the children itself
            start_new_session=True,
        )
        assert child.process.stdin is not None
        order = msgspec.structs.replace(child.order, news=child.news)
        child.process.stdin.write(msgspec.json.encode(order) + b"\n")

    async def _read(self, child: Child, ready: "asyncio.Future[None]") -> str | None:
        """Follow what a child says until it is gone; its last error, if it told one."""
        assert child.process is not None
        assert child.process.stdout is not None
        error = None
        patience = max(START_SECONDS, self._patience)
        while line := await _next_line(child, child.process.stdout, patience):
            told = _decoded(line)
            if told.get("ready"):
                patience = self._patience
                child.news = []
                if not ready.done():
                    ready.set_result(None)
            error = told.get("error", error)
        return error


async def _next_line(child: Child, source: asyncio.StreamReader, patience: float) -> bytes:
    """What a child says next, empty once it is gone. One that says nothing for so many seconds is ended."""
    while True:
        try:
            async with asyncio.timeout(patience):
                return await source.readline()
        except TimeoutError:
            assert child.process is not None
            child.tell(Level.ERROR, f"the {child.role} has not answered for {patience:g} s; ending it")
            child.process.kill()


def _decoded(line: bytes) -> dict[str, Any]:
    """A message of a child. Whatever else came out of it is passed on to standard error."""
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        sys.stderr.buffer.write(line)
        return {}


async def _announce(ready: "list[asyncio.Future[None]]", on_ready: Callable[[], None]) -> None:
    await asyncio.gather(*ready)
    on_ready()
