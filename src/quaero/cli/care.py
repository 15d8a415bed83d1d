"""`quaero doctor`, `backup`, `restore` and `init`: looking after a store."""

import asyncio
from pathlib import Path

import click

from quaero.cli import output
from quaero.cli.options import Where, examples, json_option, where_options


@click.command(epilog=examples("quaero doctor", "quaero doctor --repair", "quaero doctor --json | jq length"))
@click.option("--repair", is_flag=True, help="Recompute what is derived (tallies, ready counts, limit use).")
@json_option
@where_options
def doctor(where: Where, as_json: bool, repair: bool) -> int:
    """Check every invariant of the store. Exit code 0: clean, 1: violated."""
    from quaero.keeping import check, mend

    settings = where.settings()
    found = check(settings)
    if repair and any(finding.repairable for finding in found):
        before = len(found)
        asyncio.run(mend(settings))
        found = check(settings)
        output.message(f"repaired: {before - len(found)} of {before} findings are gone")
    if as_json:
        output.json(found)
    else:
        for finding in found:
            output.result(f"{finding.invariant}  {finding.subject} {finding.problem}")
    mendable = sum(finding.repairable for finding in found)
    hint = f"; `quaero doctor --repair` mends {mendable} of them" if mendable else ""
    output.message(f"{len(found)} invariants are violated{hint}" if found else "the store is clean")
    return 1 if found else 0


@click.command(epilog=examples("quaero backup /var/backups/quaero-monday.db"))
@click.argument("path", type=click.Path(path_type=Path))
@where_options
def backup(where: Where, path: Path) -> None:
    """Write a whole copy of the store to PATH, while everything runs."""
    from quaero.keeping import backup as write

    size = write(where.settings(), path)
    output.result(f"{path}: {size:,} bytes")


@click.command(epilog=examples("quaero restore monday.db", "quaero restore monday.db --replace"))
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Move the store that is there aside.")
@where_options
def restore(where: Where, path: Path, replace: bool) -> None:
    """Make the store from the backup at PATH. Nothing may run on it."""
    from quaero.keeping import restore as put_back
    from quaero.keeping import store_name

    settings = where.settings()
    aside = put_back(settings, path, replace=replace)
    if aside is not None:
        output.message(f"the store that was there is now {aside}")
    output.result(f"restored {store_name(settings)} from {path}")


@click.command(epilog=examples("quaero init", "quaero init --store sqlite:////var/lib/quaero/quaero.db"))
@where_options
def init(where: Where) -> None:
    """Make an empty store and the directory of definitions, where they do not exist."""
    from quaero.app import open_store
    from quaero.keeping import exists, store_name

    settings = where.settings()

    async def make() -> None:
        async with open_store(settings):
            pass

    is_new = not exists(settings)
    asyncio.run(make())
    folder = Path(settings.jobs.definitions_dir)
    folder.mkdir(parents=True, exist_ok=True)
    output.result(f"{store_name(settings)}: {'made' if is_new else 'was there already'}")
    output.result(f"{folder}: definitions are read from here")
