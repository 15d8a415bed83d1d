"""`quaero watch`: the queue or one tree, full screen, until `q`."""

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import click

from quaero.cli.options import JOB_ID, Where, client_options, examples
from quaero.domain.errors import InvalidInput, NotFound, QuaeroError
from quaero.domain.printable import one_line

if TYPE_CHECKING:
    from rich.live import Live

    from quaero.cli.screens import Screen
    from quaero.client import AsyncClient

LOOK_SECONDS = 1.0
FRAME_SECONDS = 0.2


@click.command(epilog=examples("quaero watch", "quaero watch 42", "quaero watch --server http://jobs.example.org:8080"))
@click.argument("job_id", metavar="[ID]", type=JOB_ID, required=False)
@client_options
def watch(where: Where, job_id: int | None) -> None:
    """Watch the queue, or one job with all below it, full screen. Keys: arrows, enter, l (level of the log), q."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidInput("watch needs a terminal: use `quaero list`, `quaero show ID` or `quaero logs ID -f`")

    async def show(client: "AsyncClient") -> None:
        from quaero.cli.screens import QueueScreen, TreeScreen

        queue = QueueScreen(client)
        screens: list[Screen] = [queue]
        if job_id is not None:
            await client.job(job_id)  # told before the screen is taken
            screens = [TreeScreen(client, str(job_id))]
        await Watch(screens).run()

    where.with_client(show)


class Watch:
    """Screens on top of each other; the last one is shown."""

    def __init__(self, screens: "list[Screen]") -> None:
        self._screens = screens
        self._trouble = ""
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Until `q`, or back from the first screen."""
        from rich.console import Console
        from rich.live import Live

        from quaero.cli.keys import keyboard

        console = Console()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, self._changed.set)
        looking = asyncio.create_task(self._look())
        try:
            with keyboard() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
                while self._screens:
                    self._draw(live)
                    await self._next(keys)
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)
            looking.cancel()
            await asyncio.wait({looking})
            for screen in self._screens:
                await screen.leave()

    async def _look(self) -> None:
        """Keep the screen that is shown up to date; trouble is shown, not fatal."""
        while True:
            screen = self._screens[-1] if self._screens else None
            if screen is not None:
                try:
                    await screen.refresh()
                    self._trouble = ""
                except NotFound as gone:
                    self._trouble = str(gone)
                except QuaeroError as error:
                    self._trouble = f"stale: {error}"
            self._changed.set()
            await asyncio.sleep(LOOK_SECONDS)

    async def _next(self, keys: "asyncio.Queue[str]") -> None:
        """Wait for a key, news, or the next frame."""
        key = asyncio.ensure_future(keys.get())
        changed = asyncio.ensure_future(self._changed.wait())
        await asyncio.wait({key, changed}, timeout=FRAME_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        changed.cancel()
        self._changed.clear()
        if key.done():
            await self._press(key.result())
        key.cancel()

    async def _press(self, key: str) -> None:
        if key == "q":
            await self._back(len(self._screens))
        elif key == "left":
            await self._back(1)
        elif (further := self._screens[-1].press(key)) is not None:
            self._screens.append(further)
            await self._refreshed(further)

    async def _refreshed(self, screen: "Screen") -> None:
        try:
            await screen.refresh()
        except QuaeroError as error:
            self._trouble = str(error)

    async def _back(self, n: int) -> None:
        for _ in range(min(n, len(self._screens))):
            await self._screens.pop().leave()

    def _draw(self, live: "Live") -> None:
        from rich.console import Group
        from rich.text import Text

        width, height = live.console.size
        screen = self._screens[-1]
        foot = Text(one_line(self._trouble, width) if self._trouble else screen.hint, no_wrap=True, overflow="ellipsis")
        foot.stylize("bold red" if self._trouble else "dim")
        body = screen.draw(width, max(1, height - 1))
        live.update(Group(*body, foot), refresh=True)
