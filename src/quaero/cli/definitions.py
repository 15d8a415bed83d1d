"""`quaero definitions`: what could be run."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from quaero.cli import output
from quaero.cli.options import Where, client_options, examples, json_option
from quaero.domain.errors import InvalidInput, NotFound
from quaero.domain.suggest import did_you_mean

if TYPE_CHECKING:
    from quaero.client import AsyncClient
    from quaero.domain.definitions import Definition, Problem


@click.group(epilog=examples("quaero definitions list", "quaero definitions validate job-definitions/*.toml"))
def definitions() -> None:
    """Look at definitions: list, show, validate, export."""


@definitions.command("list", epilog=examples("quaero definitions list", "quaero definitions list --json"))
@json_option
@client_options
def list_(where: Where, as_json: bool) -> None:
    """List the definitions of the directory and of the store."""
    from quaero.domain.definitions import to_mapping

    found, problems = _all(where)
    for problem in problems:
        output.message(problem)
    if as_json:
        output.json([to_mapping(definition) for definition in found.values()])
        return
    rows = [
        (d.id, d.name, ", ".join(step.name for step in d.steps), d.schedule or "by hand", "yes" if d.enabled else "no")
        for d in found.values()
    ]
    output.table(("ID", "NAME", "STEPS", "SCHEDULE", "ENABLED"), rows)


@definitions.command(
    epilog=examples("quaero definitions show news-crawler", "quaero definitions show crawl.toml --json")
)
@click.argument("definition")
@json_option
@client_options
def show(where: Where, as_json: bool, definition: str) -> None:
    """Show a definition (a file or an id): its steps, what they wait for, when it runs."""
    from quaero.domain.definitions import explain, to_mapping
    from quaero.domain.durations import format_duration

    found = _one(where, definition)
    if as_json:
        output.json(to_mapping(found))
        return
    output.fields(
        [
            ("id", found.id),
            ("name", found.name),
            ("description", found.description),
            ("schedule", explain(found.schedule) if found.schedule else "by hand"),
            ("timeout", format_duration(found.timeout) if found.timeout else None),
            ("enabled", "yes" if found.enabled else "no"),
            ("tags", ", ".join(found.tags)),
        ]
    )
    output.result("")
    rows = [(s.name, s.kind, ", ".join(s.depends), s.on_error.value, str(s.limit or "")) for s in found.steps]
    output.table(("STEP", "KIND", "WAITS FOR", "ON ERROR", "LIMIT"), rows)


@definitions.command(
    epilog=examples("quaero definitions validate crawl.toml", "quaero definitions validate job-definitions/*.toml")
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def validate(as_json: bool, files: tuple[Path, ...]) -> int:
    """Say everything that is wrong with definition FILES. Exit code 0: all valid, 2: not."""
    from quaero.domain.definitions import read

    problems: list[Problem] = []
    unreadable: list[str] = []
    for file in files:
        try:
            problems += read(file.read_text(encoding="utf-8"), str(file)).problems
        except (OSError, UnicodeDecodeError) as error:
            unreadable.append(f"cannot read {file}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}")
    if as_json:
        output.json(problems)
    else:
        for problem in problems:
            output.result(f"{problem} (a hint)" if problem.is_hint else str(problem))
    wrong = sum(not problem.is_hint for problem in problems)
    if was_read := len(files) - len(unreadable):
        in_files = output.plural(was_read, "file")
        output.message(f"{in_files}: " + (output.plural(wrong, "problem") if wrong else "valid"))
    if unreadable:
        raise InvalidInput("; ".join(unreadable))
    return 2 if wrong else 0


@definitions.command(epilog=examples("quaero definitions export news-crawler > job-definitions/news.toml"))
@click.argument("definition")
@client_options
def export(where: Where, definition: str) -> None:
    """Print a definition as the text of its file."""
    from quaero.domain.definitions import to_toml

    output.result(to_toml(_one(where, definition)).rstrip("\n"))


def _all(where: Where) -> tuple[dict[str, "Definition"], list[str]]:
    """Definitions by id, and what is wrong with some. Files of this directory win; a named server has its own."""
    from quaero.domain.definitions import load_dir

    problems: list[str] = []
    found: dict[str, Definition] = {}
    with suppress(NotFound):  # no store yet: there may be files
        found = where.with_client(lambda client: _kept(client, problems))
    if where.server is None:
        loaded = load_dir(where.settings().jobs.definitions_dir)
        found.update((definition.id, definition) for definition in loaded.definitions)
        problems += [str(problem) for problem in loaded.problems]
    return dict(sorted(found.items())), problems


async def _kept(client: "AsyncClient", problems: list[str]) -> dict[str, "Definition"]:
    """The definitions of the store."""
    from quaero.client.transport import address
    from quaero.domain.definitions import parse

    found: dict[str, Definition] = {}
    for one in await client.definitions():
        detail = msgspec.json.decode(await client.ask("GET", address("job-definitions", one["id"])))
        try:
            found[one["id"]] = parse(detail["toml"], one["id"])
        except InvalidInput as error:
            problems.append(str(error))
    return found


def _one(where: Where, wanted: str) -> "Definition":
    from quaero.cli.plans import definition_in_file

    in_file = definition_in_file(wanted)
    if in_file is not None:
        return in_file
    found, _ = _all(where)
    if wanted not in found:
        there_is = did_you_mean(wanted, found) if found else "none are known"
        raise NotFound(f"there is no definition {wanted!r}: {there_is}")
    return found[wanted]
