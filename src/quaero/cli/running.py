"""`quaero run`: make a tree, watch it to its end, leave with its outcome.

All of it goes through the API: of the server that is named or runs on the store, else of the store itself. Workers that
run already do the work; without any that know its kinds, a worker of our own does, for this tree alone.
"""

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from quaero.cli import output
from quaero.cli.options import Where, client_options, examples, json_option
from quaero.cli.serving import app_option
from quaero.domain.printable import clean, one_line

if TYPE_CHECKING:
    from quaero.client import AsyncClient, Job

SHOWN_FAILURES = 5
LEFT = 130  # as a shell tells ctrl-C
EXIT_CODES = {"completed": 0, "failed": 1, "cancelled": 3}


@click.command(
    epilog=examples(
        "quaero run crawl.toml",
        "quaero run news-crawler --server http://jobs.example.org:8080",
        'quaero run myapp.jobs.fetch --app myapp.jobs --payload \'{"url": "https://example.org/"}\'',
    )
)
@click.argument("definition")
@click.option("--payload", metavar="JSON", help="The payload, when DEFINITION is a kind.")
@app_option
@json_option
@client_options
def run(where: Where, as_json: bool, definition: str, payload: str | None, app: str | None) -> int:
    """Run DEFINITION (a file, an id or a registered kind) and watch it to its end.

    Ctrl-C cancels it and stays until that is done; twice leaves it. Exit code 0: completed, 1: failed, 3: cancelled.
    """
    return asyncio.run(_run(where, definition, payload, app, as_json))


async def _run(where: Where, wanted: str, payload: str | None, app: str | None, as_json: bool) -> int:
    from quaero.cli.attending import LeftError
    from quaero.cli.hands import find_hands
    from quaero.cli.plans import begin, find_plan
    from quaero.client import AsyncClient

    way = where.way(make=True)
    folder = way.settings.jobs.definitions_dir if way.server is None else None  # a named server has its own
    async with AsyncClient(way) as client:
        plan = await find_plan(client, wanted, payload, folder)
        async with find_hands(client, way, app, plan.kinds) as hands:
            root = await begin(client, plan, wanted)
            try:
                root = await hands.while_working(int(root.id), attend(client, root.id, plan.kinds))
            except LeftError:
                output.message(f"left job {root.id} as it is: `quaero show {root.id}` tells what became of it")
                return LEFT
        await tell_outcome(client, root, as_json)
        return EXIT_CODES[root.status]


async def attend(client: "AsyncClient", job_id: str, kinds: frozenset[str]) -> "Job":
    """Watch a tree from this terminal to its end."""
    from quaero.cli.attending import Attendance, Interrupts, view_for_stderr
    from quaero.clock import SystemClock

    make_view, ask = view_for_stderr()
    interrupts = Interrupts()
    with interrupts.listening():
        attendance = Attendance(
            client,
            job_id,
            kinds,
            clock=SystemClock(),
            interrupts=interrupts,
            make_view=make_view,
            ask=ask,
            lines=sys.stderr.isatty(),
        )
        return await attendance.to_the_end()


async def tell_outcome(client: "AsyncClient", root: "Job", as_json: bool) -> None:
    """The outcome for people on stderr; the job or its result on stdout."""
    import msgspec

    from quaero.cli.live import lasted, title
    from quaero.client.transport import address
    from quaero.domain.durations import format_duration

    took = f"after {format_duration(lasted(root, 0))}" if root.started_at else "without a start"
    output.message(f"{title(root)} {root.status} {took}" + (f" ({root.reason})" if root.reason else ""))
    for group in (await client.errors(root))[:SHOWN_FAILURES]:
        example = next(iter(group["example_job_ids"]), "unknown")
        output.message(f"  {group['count']} × {one_line(group['message'], 200)} (for example job {example})")
    if as_json:
        output.raw_json(await client.ask("GET", address("jobs", root.id)))
    elif root.result is not None:
        output.result(clean(msgspec.json.encode(root.result).decode()))
