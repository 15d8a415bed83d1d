"""`quaero up` and `quaero work`: start the program and stay until told to stop."""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from quaero.cli import output
from quaero.cli.options import Where, examples, where_options

if TYPE_CHECKING:
    from socket import socket

    from quaero.settings import Settings

app_option = click.option(
    "--app", metavar="MODULE[:ATTR]", envvar="QUAERO_APP", help="Where your kinds are registered [env: QUAERO_APP]."
)


@click.command(
    epilog=examples(
        "quaero up", "quaero up --app myapp.jobs --port 9000", "quaero up --store sqlite:////var/lib/quaero/q.db"
    )
)
@click.option("--host", help="Address to listen on (default 127.0.0.1) [env: QUAERO_SERVER_HOST].")
@click.option(
    "--port", "-p", type=int, help="Port to listen on (default 8080), 0 for a free one [env: QUAERO_SERVER_PORT]."
)
@click.option("--workers", type=int, metavar="N", help="Executor processes (default: one per core).")
@app_option
@where_options
def up(where: Where, app: str | None, workers: int | None, **place: Any) -> None:
    """Run everything on one machine: store, workers, gateway and page."""
    from quaero.gateway.server import bind

    settings = where.settings(server__host=place["host"], server__port=place["port"], queue__executors=workers)
    with bind(settings.server.host, settings.server.port) as listener:
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        _supervise(settings, app, listener, f"Quaero is ready at http://{shown}:{port}/ (store {settings.store.url})")


@click.command(epilog=examples("quaero work --app myapp.jobs", "quaero work --workers 8"))
@click.option("--workers", type=int, metavar="N", help="Executor processes (default: one per core).")
@app_option
@where_options
def work(where: Where, app: str | None, workers: int | None) -> None:
    """Run only workers, beside whatever else uses the store."""
    settings = where.settings(queue__executors=workers)
    _supervise(settings, app, None, f"working for {settings.store.url}")


def _supervise(settings: "Settings", app: str | None, listener: "socket | None", ready: str) -> None:
    from quaero.supervisor import Supervisor

    async def run() -> None:
        await Supervisor(settings, app=app, listener=listener).run(lambda: output.message(ready))

    asyncio.run(run())
