"""The composition root: the only module that names an adapter. Everything else is handed what it needs.

Also the entry point of the processes a supervisor starts: `python -m quaero.app worker|gateway`. A child reads its
order (settings as JSON) from standard input and leaves when that closes, so none outlives its parent.
"""

import asyncio
import ctypes
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, NoReturn

import msgspec
from starlette.types import ASGIApp

from quaero.clock import Clock, SystemClock
from quaero.domain.entries import Line, parse_level
from quaero.domain.errors import InvalidInput, QuaeroError, StoreUnavailable
from quaero.doorbell.local import LocalDoorbell
from quaero.doorbell.port import Doorbell
from quaero.engine.masking import Mask, url_secrets
from quaero.engine.protocol import Setup
from quaero.engine.servicelog import ServiceLog, heard
from quaero.engine.worker.config import AppBrokenError, WorkerConfig
from quaero.engine.worker.worker import Worker
from quaero.settings import Settings
from quaero.storage.sqlite import database_path
from quaero.storage.sqlstore import NO_DRIVER, SqlStore, is_postgres

BAD_INPUT, FENCED = 2, 75
_PR_SET_PDEATHSIG = 1


class Order(msgspec.Struct, frozen=True):
    """What a child process is told to do."""

    settings: Settings
    app: str | None = None
    listener: int = -1  # inherited descriptor of the gateway's socket
    version: str = ""
    news: list[Line] = []  # what the supervisor has to say for the service log


@asynccontextmanager
async def open_store(settings: Settings, clock: Clock | None = None) -> AsyncIterator[SqlStore]:
    """The store of these settings; its commits ring the doorbell. Raises StoreUnavailable and its kin."""
    async with open_store_and_bell(settings, clock) as (store, _):
        yield store


@asynccontextmanager
async def open_store_and_bell(
    settings: Settings, clock: Clock | None = None
) -> AsyncIterator[tuple[SqlStore, Doorbell]]:
    """The store, and the doorbell on which other processes' commits are heard. `clock`: the store's unless given."""
    bell = open_doorbell(settings.store.url)
    try:
        async with await asyncio.to_thread(_open, settings, bell, clock) as store:
            yield store, bell
    finally:
        bell.close()


def open_doorbell(url: str) -> Doorbell:
    """The doorbell of the store at a URL."""
    if not is_postgres(url):
        return LocalDoorbell(database_path(url))
    try:
        from quaero.doorbell.postgres import PostgresDoorbell
    except ImportError:
        raise InvalidInput(NO_DRIVER) from None
    return PostgresDoorbell(url)


def _open(settings: Settings, bell: Doorbell, clock: Clock | None) -> SqlStore:
    level = parse_level(settings.logs.child_changes)
    try:
        return SqlStore.open(settings.store.url, clock=clock, child_changes=level, on_commit=bell.ring)
    except OSError as error:
        raise StoreUnavailable(f"cannot open the store: {error.filename}: {error.strerror}") from None


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[ASGIApp]:
    """What a gateway of these settings serves, over an open store and without a socket."""
    from quaero import __version__
    from quaero.gateway.application import running
    from quaero.gateway.auth.place import Place
    from quaero.gateway.state import Gateway

    async with open_store_and_bell(settings) as (store, bell):
        gateway = Gateway(store, __version__, settings=settings, bell=bell)
        async with running(gateway, Place(0)) as app:
            yield app


async def refuse_open(settings: Settings) -> None:
    """Raise OpenBind if these settings would let everybody in, or nobody."""
    from quaero.gateway.auth.opening import require_token
    from quaero.gateway.auth.place import needs_credential

    if needs_credential(settings):
        async with open_store(settings) as store:
            await require_token(store, settings, SystemClock())


def make_mask(settings: Settings) -> Mask:
    """What hides secrets in what a process of ours says of itself."""
    return Mask(settings.logs.secret_names, url_secrets(settings.store.url))


def make_worker(
    store: SqlStore, bell: Doorbell, settings: Settings, app: str | None, root_id: int | None = None
) -> Worker:
    """A worker on this store; with `root_id` it takes jobs of that tree only."""
    sections = {"crawler": settings.crawler, "command": settings.command}
    setup = Setup(
        app,
        concurrency=settings.queue.concurrency,
        min_level=int(parse_level(settings.logs.min_level)),
        max_log_bytes=settings.logs.max_bytes_per_attempt,
        max_line=settings.logs.max_line,
        settings=msgspec.json.encode(sections),
        secret_names=settings.logs.secret_names,
        secrets=list(url_secrets(settings.store.url)),
    )
    config = WorkerConfig(
        setup=setup,
        executors=settings.queue.executors,
        lease=settings.queue.lease / 1e6,
        heartbeat=settings.queue.heartbeat / 1e6,
        grace=settings.queue.grace / 1e6,
        jobs_retention=settings.jobs.retention,
        logs_retention=settings.logs.retention,
        max_attempts=settings.queue.max_attempts,
        definitions_dir=settings.jobs.definitions_dir if root_id is None else None,
        root_id=root_id,
    )
    return Worker(store, bell, SystemClock(), config)


async def _work(store: SqlStore, bell: Doorbell, order: Order, until: asyncio.Event) -> None:
    """Run one worker until `until` is set, then drain. Raises AppBrokenError if the application does not import."""
    worker = make_worker(store, bell, order.settings, order.app)
    worker.on_ready = _tell_ready
    worker.on_lost = _leave_fenced
    _pass_on(worker.service, order.news)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    stopper = asyncio.create_task(_then(until.wait(), worker.stop))
    try:
        with heard(worker.service, "worker", make_mask(order.settings)):
            await worker.run()
    except (ConnectionError, TimeoutError) as lost:
        _leave_fenced(str(lost) or "the store does not answer")
    finally:
        stopper.cancel()


def _leave_fenced(reason: str) -> NoReturn:
    """End at once: closing the store would wait for its writes, and what this worker still has to say is void."""
    sys.stderr.write(f"quaero worker: {reason}\n")
    sys.stderr.flush()
    os._exit(FENCED)


async def _serve(store: SqlStore, bell: Doorbell, order: Order, until: asyncio.Event) -> None:
    """Serve the gateway on the inherited socket until `until` is set."""
    from quaero.gateway.registration import address_of, registered
    from quaero.gateway.server import serve
    from quaero.gateway.state import Gateway

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, until.set)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (most, most)
    )  # each viewer is a descriptor; a shell gives 1,024 at first
    listener = socket.socket(fileno=order.listener)
    listener.setblocking(False)
    gateway = Gateway(store, order.version, settings=order.settings, bell=bell)
    service = ServiceLog(store, gateway.clock)
    _pass_on(service, order.news)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(service)
        stack.enter_context(heard(service, "gateway", make_mask(order.settings)))
        if is_postgres(order.settings.store.url):
            address = address_of(listener)
            await stack.enter_async_context(registered(store, gateway.instance_id, address, gateway.clock))
        await serve(gateway, listener, stop=until, on_ready=_tell_ready)


def _pass_on(service: ServiceLog, news: list[Line]) -> None:
    """Record what the supervisor, which opens no store, noticed before this process could."""
    for line in news:
        service.say(line.at, line.level, line.message, {"process": "supervisor"})


async def _then(wait: Coroutine[Any, Any, object], call: Callable[[], None]) -> None:
    await wait
    call()


async def _child(role: str, order: Order) -> None:
    until = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _parent_gone, until)
    os.set_blocking(1, False)
    async with open_store_and_bell(order.settings) as (store, bell):
        beats = asyncio.create_task(_beat(store, order.settings))
        try:
            await (_work(store, bell, order, until) if role == "worker" else _serve(store, bell, order, until))
        finally:
            beats.cancel()


async def _beat(store: SqlStore, settings: Settings) -> None:
    """Let the supervisor know that this event loop turns and the store can be written."""
    while True:
        if store.stalled < settings.queue.lease / 1e6:
            _tell({"alive": True})
        await asyncio.sleep(settings.queue.heartbeat / 1e6)


def _parent_gone(until: asyncio.Event) -> None:
    """Standard input closed: the supervisor is gone."""
    if not os.read(sys.stdin.fileno(), 1):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        until.set()


def _tell_ready() -> None:
    gc.freeze()  # what stays for ever need not be looked through again and again
    _tell({"ready": True})


def _tell(message: dict[str, Any]) -> None:
    with suppress(OSError):  # a supervisor that is gone, or that does not read
        os.write(1, msgspec.json.encode(message) + b"\n")


def main(role: str) -> int:
    """Run one child process; its exit code. Trouble is told to the supervisor as one line."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    import uvloop

    try:
        uvloop.run(_child(role, order))
    except AppBrokenError as broken:
        _tell({"error": str(broken)})
        return BAD_INPUT
    except QuaeroError as error:
        _tell({"error": str(error)})
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
