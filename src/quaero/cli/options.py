"""Options many commands share, and the settings and store they lead to. What is heavy is imported when it is needed."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from quaero.client import AsyncClient
    from quaero.client.finding import Way
    from quaero.settings import Settings
    from quaero.storage.port import Store

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Where:
    """Which store, as the command line says; the settings are loaded when asked for."""

    store: str | None = None
    files: tuple[str, ...] = ()
    server: str | None = None

    def settings(self, **flags: Any) -> "Settings":
        """Files, environment and flags together (`server__port=1` stands for `server.port`). Raises InvalidInput."""
        from quaero.settings import load

        given = {name.replace("__", "."): value for name, value in flags.items()}
        return load(self.files, flags={"store.url": self.store, **given})

    def way(self, *, make: bool = False) -> "Way":
        """To the server that is named or runs on the store, else to the store itself (with `make`, even a new one)."""
        from quaero.client.finding import Way

        return Way(settings=self.settings(), server=self.server, token=os.environ.get("QUAERO_TOKEN"), make=make)

    def with_client(self, work: Callable[["AsyncClient"], Coroutine[Any, Any, T]], *, make: bool = False) -> T:
        """Run `work` with a client that goes this way."""
        from quaero.client.session import AsyncClient

        way = self.way(make=make)

        async def run() -> T:
            async with AsyncClient(way) as client:
                return await work(client)

        return asyncio.run(run())

    def with_store(self, work: Callable[["Store"], Coroutine[Any, Any, T]], *, make: bool = False) -> T:
        """Run `work` with the open store and close it again. Raises NotFound if there is none, unless `make`."""
        from quaero.app import open_store
        from quaero.keeping import require_store

        settings = self.settings()
        if not make:
            require_store(settings)

        async def run() -> T:
            async with open_store(settings) as store:
                return await work(store)

        return asyncio.run(run())


def client_options(command: Command) -> Command:
    """Add `--server`, `--store` and `--config`; the command gets them as `where`."""
    option = click.option(
        "--server",
        metavar="URL",
        envvar="QUAERO_SERVER",
        help="The server to ask; unless given, the one on the store, else the store itself [env: QUAERO_SERVER].",
    )
    return option(where_options(command))


def where_options(command: Command) -> Command:
    """Add `--store` and `--config`; the command gets them as `where`."""

    @click.option("--store", metavar="URL", help="The store, e.g. sqlite:///data/quaero.db [env: QUAERO_STORE_URL].")
    @click.option(
        "--config",
        "-c",
        "files",
        multiple=True,
        type=click.Path(),
        envvar="QUAERO_CONFIG",
        metavar="FILE",
        help="A settings file; repeat for more, later ones win [env: QUAERO_CONFIG].",
    )
    @wraps(command)
    def with_where(store: str | None, files: tuple[str, ...], server: str | None = None, **rest: Any) -> Any:
        return command(where=Where(store, files, server), **rest)

    return with_where  # type: ignore[return-value]


def json_option(command: Command) -> Command:
    """Add `--json`; the command gets it as `as_json`."""
    option = click.option(
        "--json", "as_json", is_flag=True, envvar="QUAERO_JSON", help="Print JSON, as the API gives it."
    )
    return option(command)


def examples(*lines: str) -> str:
    """The end of a command's help: what one would type."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


class JobIdType(click.ParamType[int]):
    """A job id: a decimal number."""

    name = "ID"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or a usage error."""
        from quaero.domain.wire import parse_id

        number = value if isinstance(value, int) else parse_id(str(value))
        if number is None:
            self.fail(f"{value!r} is not a job id: it is a number, as `quaero list` shows it", param, ctx)
        return number


JOB_ID = JobIdType()
