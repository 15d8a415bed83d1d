"""`quaero documents`: what jobs collected, listed, searched, exported."""

import codecs
from typing import TYPE_CHECKING

import click

from quaero.cli import output
from quaero.cli.options import JOB_ID, Where, client_options, examples, json_option
from quaero.domain.printable import one_line

if TYPE_CHECKING:
    from quaero.client import AsyncClient

FORMATS = ("jsonl", "markdown")


@click.command(
    epilog=examples(
        "quaero documents",
        "quaero documents harbour authority",
        "quaero documents --job 42 --export markdown > pages.md",
        "quaero documents --export jsonl | jq -r .url",
    )
)
@click.argument("words", nargs=-1)
@click.option("--job", "root_id", metavar="ID", type=JOB_ID, help="Only of this tree (the id of its root).")
@click.option("--export", "form", type=click.Choice(FORMATS), help="Print the whole texts, as JSON lines or Markdown.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="Hits or lines to show.")
@json_option
@client_options
def documents(
    where: Where, as_json: bool, words: tuple[str, ...], root_id: int | None, form: str | None, limit: int
) -> None:
    """List documents, or those in which all WORDS occur, best first; or export them."""
    from quaero.client.transport import address

    q = " ".join(words) or None

    async def export(client: "AsyncClient") -> None:
        decoder = codecs.getincrementaldecoder("utf-8")()
        async for part in client.stream(address("documents", "export", format=form, q=q, job_id=root_id)):
            output.text(decoder.decode(part))

    async def read(client: "AsyncClient") -> None:
        found = (await client.documents(q, job_id=root_id, limit=limit))["documents"]
        if as_json:
            output.json(found)
            return
        last = "snippet" if q else "url"
        rows = [(d["id"], d["job_id"], one_line(d["title"], 60), d[last]) for d in found]
        output.table(("ID", "JOB", "TITLE", "FOUND" if q else "URL"), rows, limit=90)

    where.with_client(export if form is not None else read)
