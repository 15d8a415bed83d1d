"""`quaero documents`: what jobs collected, listed, searched, exported."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import click

from quaero.cli import output
from quaero.cli.options import JOB_ID, Where, client_options, examples, json_option
from quaero.domain.printable import clean, one_line

if TYPE_CHECKING:
    from quaero.client import AsyncClient

PAGE = 500  # with words also the most hits
Document = dict[str, Any]
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
    q = " ".join(words) or None

    async def read(client: "AsyncClient") -> None:
        if form is not None:
            async for document in _all(client, q, root_id):
                if form == "markdown":
                    output.result(_as_markdown(document))
                else:
                    output.json(document, indent=False)
            return
        found = (await client.documents(q, job_id=root_id, limit=limit))["documents"]
        if as_json:
            output.json(found)
            return
        rows = [(d["id"], d["job_id"], one_line(d["title"], 60), one_line(d["snippet"] or d["url"], 90)) for d in found]
        output.table(("ID", "JOB", "TITLE", "FOUND" if q else "URL"), rows)

    where.with_client(read)


async def _all(client: "AsyncClient", q: str | None, root_id: int | None) -> AsyncIterator[Document]:
    """Every document, oldest first; with words, the best hits."""
    cursor: str | None = None
    while True:
        page = await client.documents(q, job_id=root_id, cursor=cursor, limit=PAGE)
        for document in page["documents"]:
            yield document
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _as_markdown(document: Document) -> str:
    cut = "\n\n*(cut here)*" if document["truncated"] else ""
    return f"<!-- {clean(document['url'])} -->\n\n{clean(document['text']).strip()}{cut}\n"
