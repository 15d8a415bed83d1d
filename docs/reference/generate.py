"""Writes the tables of the reference pages from the code: `make docs`. A test compares them, so they cannot go stale.

Only what stands between the marks is written; the words around it are kept by hand.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import click
import msgspec

from quaero.cli.main import COMMANDS, cli
from quaero.gateway.application import ROUTES
from quaero.gateway.problems import PREFIX, PROBLEMS
from quaero.settings import Settings, describe

BEGIN, END = "<!-- made by `make docs` -->\n", "<!-- end -->\n"
HERE = Path(__file__).parent
BY_MACHINE = {"queue.executors": "cores"}  # defaults that differ from one machine to the next


def settings_tables() -> Iterator[str]:
    """A table for each section of the settings."""
    sections = {info.name: info.type for info in msgspec.structs.fields(Settings)}
    for name, rows in groupby(describe(Settings()), key=lambda row: row.key.partition(".")[0]):
        yield f"\n## `[{name}]`\n\n{_first_line(sections[name].__doc__)}\n"
        yield "\n| Key | Default | Meaning |\n|---|---|---|\n"
        for row in rows:
            yield f"| `{row.key}` | {BY_MACHINE.get(row.key) or f'`{row.default}`'} | {row.meaning} |\n"
    yield "\n"


def commands() -> Iterator[str]:
    """A section for each command, with its options."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield from _command(name, command, "##")
    yield "\n"


def _command(name: str, command: click.Command, heading: str) -> Iterator[str]:
    arguments = [one.make_metavar(click.Context(command)) for one in command.params if isinstance(one, click.Argument)]
    yield f"\n{heading} `{' '.join(['quaero', name, *arguments])}`\n\n{_first_line(command.help)}\n"
    options = [one for one in command.params if isinstance(one, click.Option)]
    if options:
        yield "\n| Option | Meaning |\n|---|---|\n"
    for option in options:
        yield f"| `{', '.join([*option.opts, *option.secondary_opts])}` | {(option.help or '').strip()} |\n"
    if isinstance(command, click.Group):
        for below, subcommand in command.commands.items():
            yield from _command(f"{name} {below}", subcommand, f"{heading}#")


def routes() -> Iterator[str]:
    """A row for each route that a program may call, and one for each type of problem."""
    yield "\n| Route | Scope | Does |\n|---|---|---|\n"
    for route in ROUTES:
        if route.path.startswith(("/api", "/metrics", "/ws")):
            yield f"| `{route.method} {route.path}` | {route.needs.word} | {_first_line(route.doc)} |\n"
    yield "\n## Problems\n\n`application/problem+json` as in RFC 9457: `{type, title, status, detail}`, and where it "
    yield "applies `job_status` or `problems`.\nA `type` never changes its meaning; `detail` is for people.\n"
    yield "\n| Status | `type` | Means | What to do |\n|---|---|---|---|\n"
    for problem in PROBLEMS:
        yield f"| {problem.status} | `{PREFIX}{problem.name}` | {problem.meaning} | {problem.remedy} |\n"
    yield "\n"


def _first_line(text: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((text or "").strip().split("\n\n")[0].split())


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "configuration.md": settings_tables,
    "cli.md": commands,
    "rest.md": routes,
}


def renewed(name: str) -> str:
    """The text of a page with what is between its marks made anew."""
    before, _, rest = (HERE / name).read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    assert mark, f"{name} has no marks"
    return before + BEGIN + "".join(PAGES[name]()) + END + after


if __name__ == "__main__":
    for page in PAGES:
        (HERE / page).write_text(renewed(page), encoding="utf-8")
