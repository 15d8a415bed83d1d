"""`quaero run`: make a tree, watch it to its end, leave with its outcome.

Workers that run already do the work; without any that know its kinds, a worker of our own does, for this tree alone.
"""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quaero.cli import output
from quaero.cli.options import Where, examples, json_option, where_options
from quaero.cli.serving import app_option
from quaero.domain.errors import InvalidInput
from quaero.domain.printable import clean, one_line

if TYPE_CHECKING:
    from quaero.domain.definitions import Definition
    from quaero.domain.job import Job
    from quaero.engine.lifecycle.enqueue import NewJob
    from quaero.settings import Settings
    from quaero.storage.port import Store

SHOWN_FAILURES = 5
LEFT = 130  # as a shell tells ctrl-C


@click.command(
    epilog=examples(
        "quaero run crawl.toml",
        "quaero run news-crawler",
        'quaero run myapp.jobs.fetch --app myapp.jobs --payload \'{"url": "https://example.org/"}\'',
    )
)
@click.argument("definition")
@click.option("--payload", metavar="JSON", help="The payload, when DEFINITION is a kind.")
@app_option
@json_option
@where_options
def run(where: Where, as_json: bool, definition: str, payload: str | None, app: str | None) -> int:
    """Run DEFINITION (a file, an id or a registered kind) and watch it to its end.

    Exit code 0: completed, 1: failed, 3: cancelled.
    """
    settings = where.settings()
    return asyncio.run(_run(settings, definition, payload, app, as_json))


async def _run(settings: "Settings", wanted: str, payload: str | None, app: str | None, as_json: bool) -> int:
    from quaero.app import open_store_and_bell
    from quaero.cli.attending import LeftError
    from quaero.cli.hands import find_hands

    async with open_store_and_bell(settings) as (store, bell):
        plan = await find_plan(store, settings, wanted, payload)
        async with find_hands(store, bell, settings, app, kinds_of(plan)) as hands:
            root_id = await submit(store, plan)
            try:
                root = await hands.while_working(root_id, attend(store, root_id))
            except LeftError:
                output.message(f"left job {root_id} as it is: `quaero show {root_id}` tells what became of it")
                return LEFT
        await tell_outcome(store, root, as_json)
        return exit_code(root)


async def find_plan(store: "Store", settings: "Settings", wanted: str, payload: str | None) -> "Definition | NewJob":
    """What to run: the definition in a file, the one of an id, or a job of a kind. Raises InvalidInput."""
    definition = definition_in_file(wanted) or await find_definition(store, settings, wanted)
    if definition is None:
        return _one_job(wanted, payload)
    if payload is not None:
        raise InvalidInput("--payload is for a kind: the steps of a definition have payloads of their own")
    return definition


def definition_in_file(wanted: str) -> "Definition | None":
    """The definition of a file, None if `wanted` does not look like one. Raises InvalidInput."""
    from quaero.domain.definitions import parse

    path = Path(wanted)
    if path.suffix != ".toml" and not path.is_file():
        return None
    try:
        return parse(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {wanted}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None


async def find_definition(store: "Store", settings: "Settings", wanted: str) -> "Definition | None":
    """The definition of an id: from the definitions directory, else from the store."""
    from quaero.domain.definitions import from_stored, load_dir

    for definition in load_dir(settings.jobs.definitions_dir).definitions:
        if definition.id == wanted:
            return definition
    rows = await store.rows("select body from definition where id = ?", (wanted,))
    return from_stored(rows[0][0].encode()) if rows else None


def _one_job(kind: str, payload: str | None) -> "NewJob":
    import msgspec

    from quaero.engine.lifecycle.enqueue import NewJob

    try:
        decoded: Any = msgspec.json.decode(payload or "{}")
    except msgspec.DecodeError as error:
        raise InvalidInput(f"--payload is not JSON: {error}") from None
    return NewJob(kind, msgspec.json.encode(decoded))


def kinds_of(plan: "Definition | NewJob") -> frozenset[str]:
    """The kinds somebody must know for this plan to begin."""
    from quaero.engine.lifecycle.enqueue import NewJob

    return frozenset({plan.kind}) if isinstance(plan, NewJob) else plan.kinds


async def submit(store: "Store", plan: "Definition | NewJob") -> int:
    """Make the tree; the id of its root. Raises UnknownKind."""
    from quaero.engine.lifecycle.definitions import run_definition
    from quaero.engine.lifecycle.enqueue import NewJob, enqueue

    if isinstance(plan, NewJob):
        return (await store.write(enqueue, [plan]))[0].id
    return await store.write(run_definition, plan)


async def attend(store: "Store", root_id: int) -> "Job":
    """Watch a tree from this terminal to its end."""
    from quaero.cli.attending import Attendance, Interrupts, view_for_stderr
    from quaero.clock import SystemClock

    make_view, ask = view_for_stderr()
    interrupts = Interrupts()
    with interrupts.listening():
        attendance = Attendance(
            store,
            root_id,
            clock=SystemClock(),
            interrupts=interrupts,
            make_view=make_view,
            ask=ask,
            lines=sys.stderr.isatty(),
        )
        return await attendance.to_the_end()


async def tell_outcome(store: "Store", root: "Job", as_json: bool) -> None:
    """The outcome for people on stderr; the job or its result on stdout."""
    from quaero.cli.live import title
    from quaero.clock import SystemClock
    from quaero.domain.durations import format_duration
    from quaero.domain.status import WORDS
    from quaero.domain.wiretree import wire_job_detail

    took = format_duration(root.finished_at - root.started_at) if root.started_at else "without a start"
    output.message(f"{title(root)} {WORDS[root.status]} after {took}" + (f" ({root.reason})" if root.reason else ""))
    for group in (await store.errors(root.id))[:SHOWN_FAILURES]:
        output.message(f"  {group.count} × {one_line(group.message, 200)} (for example job {group.example_ids[0]})")
    if as_json:
        steps = await store.steps(root.id)
        output.json(wire_job_detail(root, steps, {}, now=SystemClock().now()))
    elif root.result not in (None, b"null"):
        output.result(clean(bytes(root.result or b"").decode()))


def exit_code(root: "Job") -> int:
    """0 completed, 1 failed, 3 cancelled."""
    from quaero.domain.status import JobStatus

    return {JobStatus.COMPLETED: 0, JobStatus.CANCELLED: 3}.get(JobStatus(root.status), 1)
