"""`quaero logs`: a job's log, whole or from a position on, and live with `-f`."""

import asyncio
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from quaero.cli import output
from quaero.cli.options import JOB_ID, Where, examples, json_option, where_options
from quaero.cli.terminal import clean

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quaero.cli.follower import Follower
    from quaero.domain.entries import Entry
    from quaero.storage.port import Store

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
@where_options
def logs(
    where: Where, as_json: bool, job_id: int, follow: bool, level: str, step: str | None, after: str | None, raw: bool
) -> None:
    """Print the log of a job and all below it, oldest first."""
    show = _as_json if as_json else Lines(raw=raw, colours=sys.stdout.isatty())

    async def read(store: "Store") -> None:
        reading = await _reading(store, job_id, level=level, step=step, after=after)
        try:
            async for page in reading.follow() if follow else reading.news():
                for entry in page:
                    show(entry)
                output.flush()
        except asyncio.CancelledError:
            output.message(f"to go on: quaero logs {job_id} -f --after {reading.token}")
            raise

    where.with_store(read)


class _Reading:
    """One reader of one scope."""

    def __init__(self, store: "Store", job_id: int, root_id: int, follower: "Follower") -> None:
        self._store = store
        self._job_id = job_id
        self._root_id = root_id
        self._follower = follower
        self.news = follower.news

    @property
    def token(self) -> str:
        """Its position, to go on from."""
        from quaero.domain.cursor import Cursor

        return Cursor(self._store.incarnation, self._root_id, self._follower.position).token

    def follow(self) -> "AsyncIterator[list[Entry]]":
        """Until the job is terminal, or gone."""
        return self._follower.follow(self._is_over)

    async def _is_over(self) -> bool:
        job = await self._store.job(self._job_id)
        return job is None or job.is_terminal


async def _reading(store: "Store", job_id: int, *, level: str, step: str | None, after: str | None) -> _Reading:
    from dataclasses import replace

    from quaero.cli.follower import Follower
    from quaero.domain.cursor import resume
    from quaero.gateway.finding import find_job
    from quaero.gateway.scope import job_scope, level_of

    job = await find_job(store, job_id)
    scope = await job_scope(store, job, step=step, below=True)
    start = resume(after, incarnation=store.incarnation, root_id=scope.root_id)
    if start.reset:
        output.message(f"{after!r} is not a position in this log: reading it from the beginning")
    follower = Follower(store, scope.root_id, replace(scope.where, level=level_of(level)), after=start.seq)
    return _Reading(store, job_id, scope.root_id, follower)


def _as_json(entry: "Entry") -> None:
    from quaero.domain.wire import wire_entry

    output.json(wire_entry(entry), indent=False)


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
        from quaero.domain.entries import LEVEL_WORDS

        moment = datetime.fromtimestamp(entry.at / 1_000_000).strftime("%H:%M:%S.%f")[:-3]
        source = f"{clean(entry.step)}/{entry.job_id}" if entry.step else str(entry.job_id)
        message = entry.message if self._raw else clean(entry.message, colours=self._colours).replace("\n", CONTINUED)
        return f"{moment} {LEVEL_WORDS[entry.level]:<5} [{source}] {message}"
