"""Which way leads to the jobs: a server by its address, the server that runs on a store, or else the store itself.

A server that runs on a file says so in a file beside it, `<store>.server`; gateways of a store that many machines share
are registered in it. Neither is believed unless the server answers; one of a shared store must also let us in, for who
reaches the store needs no server.
"""

import asyncio
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from quaero.client.transport import Transport, Unreachable
from quaero.domain.errors import InvalidInput, NotFound, StoreUnavailable
from quaero.settings import Settings, load

SIGN_SECONDS = 5.0  # within which a server that a sign names must answer to be believed
REGISTERED_SECONDS = 2.0  # the same for one of a shared store, which can be used without it
MOST_ASKED = 8
ADDRESS = re.compile(r"[\w.-]+:\d+")  # a server's without its scheme; a file of this name would be made by mistake


class Sign(msgspec.Struct, frozen=True):
    """What a server leaves beside its store."""

    url: str
    pid: int


class _Gateway(msgspec.Struct):
    url: str
    host: str

    @property
    def may_be_reached(self) -> bool:
        """Not if it is another machine's loopback."""
        name = urlsplit(self.url).hostname or ""
        return self.host == socket.gethostname() or not (name == "::1" or name.startswith("127."))


class _Gateways(msgspec.Struct):
    gateways: list[_Gateway]


class _Version(msgspec.Struct):
    incarnation: str


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go: `server` if given, else where the settings' store leads. `make`: even a store that is not there."""

    settings: Settings
    server: str | None = None
    token: str | None = None
    tls: ssl.SSLContext | None = None
    make: bool = True


def way_to(where: str | Path | None, token: str | None, tls: ssl.SSLContext | None) -> Way:
    """The way a user of the library names: an address, a store's URL or path, or nothing (the settings decide)."""
    token = token or os.environ.get("QUAERO_TOKEN")
    server = os.environ.get("QUAERO_SERVER") if where is None else None
    if isinstance(where, str) and ADDRESS.fullmatch(where) and not Path(where).exists():
        raise InvalidInput(f"{where!r}: write http://{where} for a server, ./{where} for a store's file")
    if isinstance(where, Path) or (where is not None and "://" not in where):
        where = f"sqlite:///{where}"
    if where is not None and where.startswith(("http://", "https://")):
        return Way(settings=Settings(), server=where, token=token, tls=tls)
    return Way(settings=load(flags={"store.url": where}), server=server, token=token, tls=tls)


async def transport_of(way: Way) -> Transport:
    """Open it. Raises InvalidInput, NotFound, and what a store that cannot be opened raises."""
    if way.server is not None:
        return _over_http(_checked(way.server), way)
    sign = read_sign(way.settings.store.url)
    if sign is not None:
        signed = _over_http(sign.url, way)
        async with _closed_unless_taken([signed]) as taken:
            if await answers(signed):
                taken.append(signed)
                return signed
    inside = await _inside(way)
    async with _closed_unless_taken([inside]) as taken:
        registered = await _registered(inside, way) if _file_of(way.settings.store.url) is None else None
        if registered is None:
            taken.append(inside)
        return registered or inside


@asynccontextmanager
async def _closed_unless_taken(tried: list[Transport]) -> AsyncIterator[list[Transport]]:
    """Closes those of `tried` that are not in the list it gives, also when nobody waits any more."""
    taken: list[Transport] = []
    try:
        yield taken
    finally:
        for transport in tried:
            if transport not in taken:
                await transport.close()


async def _registered(inside: Transport, way: Way) -> Transport | None:
    """A gateway that is registered in a shared store, of those that answer the first."""
    told = await inside.ask("GET", "/api/gateways")
    rows = msgspec.json.decode(told.body, type=_Gateways).gateways if told.status == 200 else []
    asked = [_over_http(row.url, way) for row in rows[:MOST_ASKED] if row.may_be_reached]
    trying = {asyncio.create_task(_serves_the_same(there, inside)): there for there in asked}
    waiting = set(trying)
    async with _closed_unless_taken(asked) as taken:
        try:
            while waiting and not taken:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                taken += [trying[task] for task in done if task.result()][:1]
        finally:
            for task in waiting:
                task.cancel()
        return next(iter(taken), None)


async def _serves_the_same(there: Transport, inside: Transport) -> bool:
    """Whether this server answers, lets us in, goes on serving, and has this very store."""
    if not await answers(there, REGISTERED_SECONDS):
        return False
    try:
        versions = [await way.ask("GET", "/api/version") for way in (there, inside)]
        theirs, ours = (msgspec.json.decode(reply.body, type=_Version).incarnation for reply in versions)
    except (Unreachable, msgspec.MsgspecError):
        return False
    return theirs == ours


def _over_http(server: str, way: Way) -> Transport:
    from quaero.client.http import HttpTransport  # 0.2 s, which a command on the store itself need not pay

    return HttpTransport(server, way.token, way.tls)


async def _inside(way: Way) -> Transport:
    from quaero.client.inside import InsideTransport

    path = _file_of(way.settings.store.url)
    if not way.make and path is not None and not path.is_file():
        raise NotFound(f"there is no store at {path}: name another with --store, or make it with `quaero init`")
    try:
        return await InsideTransport.open(way.settings)
    except StoreUnavailable as away:
        if path is not None or type(away) is not StoreUnavailable:  # what is there but unsafe is no better elsewhere
            raise
        raise StoreUnavailable(f"{away}; a server of it can be asked instead: --server or QUAERO_SERVER") from None


async def answers(transport: Transport, seconds: float = SIGN_SECONDS) -> bool:
    """Whether a server of ours is there and goes on serving; one that wants a credential is, one that stops is not."""
    try:
        async with asyncio.timeout(seconds):
            reply = await transport.ask("GET", "/api/version")
            ready = await transport.ask("GET", "/api/ready")
    except (Unreachable, TimeoutError):
        return False
    is_ours = b"server_instance_id" in reply.body or b"urn:quaero:" in reply.body
    return is_ours and ready.status != 503


def _checked(url: str) -> str:
    refused = InvalidInput(f"{url!r} is not the address of a server: write http://HOST:PORT")
    try:
        parts = urlsplit(url)
        _ = parts.port  # looked at only here
    except ValueError:
        raise refused from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise refused
    return f"{parts.scheme}://{parts.netloc}"


def _file_of(store_url: str) -> Path | None:
    """The file of a store that is one. What is wrong with a URL is said by whoever opens it."""
    parts = urlsplit(store_url)
    return Path(unquote(parts.path[1:])) if parts.scheme == "sqlite" and parts.path.strip("/") else None


def sign_path(store_url: str) -> Path | None:
    """Where a server of this store says that it runs; None for a store that is no file."""
    path = _file_of(store_url)
    return path.with_name(f"{path.name}.server") if path is not None else None


def read_sign(store_url: str) -> Sign | None:
    """What stands there, if anything readable does."""
    path = sign_path(store_url)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Sign) if path is not None else None
    except (OSError, msgspec.MsgspecError):
        return None


def put_sign(store_url: str, url: str) -> None:
    """Say that a server of this process runs at `url`."""
    path = sign_path(store_url)
    if path is None:
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(msgspec.json.encode(Sign(url, os.getpid())))
    draft.chmod(0o600)
    draft.replace(path)


def take_sign(store_url: str) -> None:
    """Take down what this process put up; another's stays."""
    sign, path = read_sign(store_url), sign_path(store_url)
    if sign is not None and path is not None and sign.pid == os.getpid():
        with suppress(OSError):
            path.unlink()
