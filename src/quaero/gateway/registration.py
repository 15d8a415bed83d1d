"""Where gateways are reached, said in a store that many machines share: whoever knows the store finds a server.

A row for each process start, seen anew while it serves. It is a hint: who reads it asks that address and believes the
answer alone. A store that is a file has its sign beside it (`quaero.client.finding`) and needs no rows.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from quaero.clock import Clock
from quaero.domain.errors import QuaeroError
from quaero.storage.port import Ledger, Store

SEEN_EVERY = 5.0  # seconds
BELIEVED = 60_000_000  # microseconds since it was seen: clocks of two machines may differ by some of them
FORGOTTEN = 86_400_000_000


class GatewayRow(NamedTuple):
    """A gateway as the store knows it; `host` is the machine's name, `seen_at` by the store's clock."""

    instance: str
    url: str
    host: str
    seen_at: int


def see(ledger: Ledger, instance: str, url: str, host: str) -> None:
    """This gateway serves."""
    ledger.run(
        "insert into gateway(instance, url, host, seen_at) values(?, ?, ?, ?)"
        " on conflict(instance) do update set seen_at = excluded.seen_at",
        (instance, url, host, ledger.now),
    )


def leave(ledger: Ledger, instance: str) -> None:
    """It serves no more; so do those that never said so, by now."""
    ledger.run("delete from gateway where instance = ? or seen_at < ?", (instance, ledger.now - FORGOTTEN))


async def list_gateways(store: Store, now: int) -> list[GatewayRow]:
    """Those that served a moment ago, the newest first."""
    sql = "select instance, url, host, seen_at from gateway where seen_at > ? order by seen_at desc, instance"
    return [GatewayRow(*row) for row in await store.rows(sql, [now - BELIEVED])]


def address_of(listener: socket.socket) -> str:
    """How others reach a listening socket: one on every address by the name of this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def registered(store: Store, instance: str, url: str, clock: Clock) -> AsyncIterator[None]:
    """Say for the length of a block that a gateway serves. A store that is away hears it later."""
    saying = asyncio.create_task(_keep_saying(store, instance, url, clock))
    try:
        yield
    finally:
        saying.cancel()
        await asyncio.wait({saying})
        await _told(store, leave, instance)


async def _keep_saying(store: Store, instance: str, url: str, clock: Clock) -> None:
    while True:
        await _told(store, see, instance, url, socket.gethostname())
        await clock.sleep(SEEN_EVERY)


async def _told(store: Store, script: Callable[..., None], *words: str) -> None:
    try:
        await store.write(script, *words)
    except QuaeroError:
        return
