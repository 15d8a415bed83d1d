"""`quaero up`, `quaero serve` and `quaero work`: start the program, or half of it, and stay until told to stop."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from quaero.cli import output
from quaero.cli.options import Where, examples, where_options
from quaero.domain.printable import without_password

if TYPE_CHECKING:
    from socket import socket

    from quaero.settings import Settings

app_option = click.option(
    "--app", metavar="MODULE[:ATTR]", envvar="QUAERO_APP", help="Where your kinds are registered [env: QUAERO_APP]."
)
host_option = click.option("--host", help="Address to listen on (default 127.0.0.1) [env: QUAERO_SERVER_HOST].")
port_option = click.option(
    "--port", "-p", type=int, help="Port to listen on (default 8080), 0 for a free one [env: QUAERO_SERVER_PORT]."
)


@click.command(
    epilog=examples(
        "quaero up", "quaero up --app myapp.jobs --port 9000", "quaero up --store sqlite:////var/lib/quaero/q.db"
    )
)
@host_option
@port_option
@click.option("--workers", type=int, metavar="N", help="Executor processes (default: one per core).")
@click.option("--demo", is_flag=True, help="Also serve a small news site and crawl it.")
@app_option
@where_options
def up(where: Where, app: str | None, workers: int | None, demo: bool, **place: Any) -> None:
    """Run everything on one machine: store, workers, gateway and page."""
    flags: dict[str, Any] = {"server__host": place["host"], "server__port": place["port"]}
    if demo:
        from quaero.cli.demo import LOOPBACK

        flags["crawler__allow_networks"] = LOOPBACK
    _serve(where.settings(**flags, queue__executors=workers), app, demo=demo)


@click.command(
    epilog=examples("quaero serve --store sqlite:////var/lib/quaero/q.db", "QUAERO_SERVER_GATEWAYS=2 quaero serve")
)
@host_option
@port_option
@where_options
def serve(where: Where, **place: Any) -> None:
    """Run only gateways and the page, beside whatever else uses the store."""
    _serve(where.settings(server__host=place["host"], server__port=place["port"]), None, work=False)


def _serve(settings: "Settings", app: str | None, *, work: bool = True, demo: bool = False) -> None:
    from quaero.app import refuse_open
    from quaero.client.finding import put_sign, take_sign
    from quaero.gateway.server import bind

    asyncio.run(refuse_open(settings))
    with bind(settings.server.host, settings.server.port) as listener:
        host, port = listener.getsockname()[:2]
        address = f"http://{_reached_at(host)}:{port}"
        url = settings.store.url

        def is_ready() -> None:
            put_sign(url, address)
            shown = without_password(url)
            output.message(
                f"Quaero is ready at {address}/ (store {shown})" if work else f"serving {shown} at {address}/"
            )

        try:
            _supervise(settings, app, listener, is_ready, work=work, demo=demo)
        finally:
            take_sign(url)


def _reached_at(host: str) -> str:
    """How this machine reaches an address it listens on."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


@click.command(epilog=examples("quaero work --app myapp.jobs", "quaero work --workers 8"))
@click.option("--workers", type=int, metavar="N", help="Executor processes (default: one per core).")
@app_option
@where_options
def work(where: Where, app: str | None, workers: int | None) -> None:
    """Run only workers, beside whatever else uses the store."""
    settings = where.settings(queue__executors=workers)
    _supervise(settings, app, None, lambda: output.message(f"working for {without_password(settings.store.url)}"))


def _supervise(
    settings: "Settings",
    app: str | None,
    listener: "socket | None",
    on_ready: Callable[[], None],
    *,
    work: bool = True,
    demo: bool = False,
) -> None:
    from quaero.supervisor import Supervisor

    async def run() -> None:
        supervisor = Supervisor(settings, app=app, listener=listener, work=work)
        if not demo:
            await supervisor.run(on_ready)
            return
        all_ready = asyncio.Event()
        showing = asyncio.create_task(_show(settings, all_ready, on_ready))
        try:
            await supervisor.run(all_ready.set)
        finally:
            showing.cancel()
            await asyncio.wait({showing})

    asyncio.run(run())


async def _show(settings: "Settings", all_ready: asyncio.Event, on_ready: Callable[[], None]) -> None:
    """Serve the demo's site, crawl it once everything runs, and say what to look at."""
    from quaero.cli.demo import crawl, site

    async with site() as url:
        await all_ready.wait()
        on_ready()
        root_id = await crawl(settings, url)
        output.message(f"crawling the demo's news site {url} as job {root_id}; in another terminal:")
        program, store = _as_typed(), without_password(settings.store.url)
        output.message(f"  {program} show {root_id} --store {store}")
        output.message(f"  {program} logs {root_id} -f --store {store}")
        await asyncio.Event().wait()


def _as_typed() -> str:
    """How this program is called from here: by name where the shell finds it, else by its path."""
    if shutil.which("quaero") is not None:
        return "quaero"
    return os.path.relpath(sys.argv[0]) if sys.argv[0].endswith("quaero") else "quaero"
