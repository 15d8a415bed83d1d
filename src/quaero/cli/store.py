"""`quaero store copy`: grow from one machine to many."""

import click

from quaero.cli import output
from quaero.cli.options import examples


@click.group()
def store() -> None:
    """Where jobs are kept."""


@store.command(epilog=examples("quaero store copy sqlite:///data/quaero.db postgresql://quaero@db.example.org/quaero"))
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy(source: str, target: str) -> None:
    """Copy the embedded store FROM into the empty PostgreSQL database TO, and examine the copy.

    Nothing may run on FROM meanwhile. Ids, journals and cursors stay what they are.
    """
    from quaero.keeping import copy as copy_store

    jobs = copy_store(source, target, output.message)
    output.result(f"copied {jobs:,} jobs; the doctor finds the copy clean")
