"""`quaero logs`: a job's log, whole or from a position on, and live with `-f`."""

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from quaero.cli import output
from quaero.cli.options import JOB_ID, Where, client_options, examples, json_option
from quaero.domain.printable import clean

if TYPE_CHECKING:
    from quaero.client import AsyncClient, Entry

CONTINUED = "\n" + " " * 4


@click.command(
    epilog=examples(
        "quaero logs 42", "quaero logs 42 -f --level warn", "quaero logs 42 --step crawl --json | jq .message"
    )
)
@click.argument("job_id", metavar="ID", type=JOB_ID)
@click.option("--follow", "-f", is_flag=True, help="Go on until the job and all below it have ended.")
@click.option("--level", default="debug", show_default=True, help="This level and above: debug, info, warn, error.")
@click.option("--step", metavar="NAME", help="Only this step of the tree.")
@click.option("--after", metavar="CURSOR", help="Only what follows this position.")
@click.option("--raw", is_flag=True, help="Print messages as the job wrote them, control sequences and all.")
@json_option
@client_options
def logs(
    where: Where, as_json: bool, job_id: int, follow: bool, level: str, step: str | None, after: str | None, raw: bool
) -> None:
    """Print the log of a job and all below it, oldest first."""
    show = _as_json if as_json else Lines(raw=raw, colours=sys.stdout.isatty())
    position = after

    def print_all(entries: "list[Entry]") -> None:
        for entry in entries:
            show(entry)
        output.flush()

    async def read(client: "AsyncClient") -> None:
        nonlocal position
        async for page in client.log_pages(job_id, level=level, step=step, cursor=after):
            if page.mode == "reset":
                output.message(f"{after!r} is not a position in this log: reading it from the beginning")
            print_all(page.logs)
            position = page.next_cursor or position
        if not follow:
            return
        following = client.follow(job_id, level=level, step=step, cursor=position)
        following.on_trouble = trouble = Trouble()
        try:
            async for entries in following.pages():
                trouble.is_told = False
                print_all(entries)
        except asyncio.CancelledError:
            output.message(f"to go on: quaero logs {job_id} -f --after {following.cursor}")
            raise

    where.with_client(read)


class Trouble:
    """Says once that nobody answers, until somebody does again."""

    is_told = False

    def __call__(self, reason: str) -> None:
        """Say it, unless it was said."""
        if not self.is_told:
            output.message(f"{reason}; asking again")
        self.is_told = True


def _as_json(entry: "Entry") -> None:
    output.json(entry, indent=False)


class Lines:
    """Entries as lines for people: local time, level, where it comes from, message. No job can forge one."""

    def __init__(self, *, raw: bool, colours: bool) -> None:
        self._raw = raw
        self._colours = colours

    def __call__(self, entry: "Entry") -> None:
        """Print one."""
        output.result(self.line(entry))

    def line(self, entry: "Entry") -> str:
        """The line of an entry; further lines of its message are set in."""
        moment = output.clock_time(entry.timestamp)
        source = f"{clean(entry.step)}/{entry.job_id}" if entry.step else entry.job_id
        message = entry.message if self._raw else clean(entry.message, colours=self._colours).replace("\n", CONTINUED)
        return f"{moment} {entry.level:<5} [{source}] {message}"
