"""`quaero documents`: what jobs collected, listed, searched, exported."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import click

from quaero.cli import output
from quaero.cli.options import JOB_ID, Where, examples, json_option, where_options
from quaero.cli.terminal import clean, one_line

if TYPE_CHECKING:
    from quaero.storage.port import Store, StoredDocument

PAGE = 200
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
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Hits or lines to show.")
@json_option
@where_options
def documents(
    where: Where, as_json: bool, words: tuple[str, ...], root_id: int | None, form: str | None, limit: int
) -> None:
    """List documents, or those in which all WORDS occur, best first; or export them."""
    q = " ".join(words) or None

    async def read(store: "Store") -> None:
        if form is not None:
            async for document in _all(store, q, root_id):
                if form == "markdown":
                    output.result(_as_markdown(document))
                else:
                    output.json(_as_dict(document), indent=False)
            return
        found = await store.documents(q=q, root_id=root_id, limit=limit)
        if as_json:
            output.json([_as_dict(document) for document in found])
            return
        rows = [(str(d.id), str(d.job_id), one_line(d.title, 60), one_line(d.snippet or d.url, 90)) for d in found]
        output.table(("ID", "JOB", "TITLE", "FOUND" if q else "URL"), rows)

    where.with_store(read)


async def _all(store: "Store", q: str | None, root_id: int | None) -> "AsyncIterator[StoredDocument]":
    """Every document, oldest first; with words, the best hits."""
    if q is not None:
        for document in await store.documents(q=q, root_id=root_id, limit=10_000):
            yield document
        return
    after = 0
    while page := await store.documents(root_id=root_id, after=after, limit=PAGE):
        for document in page:
            yield document
        after = page[-1].id


def _as_dict(document: "StoredDocument") -> dict[str, object]:
    from quaero.domain.wire import rfc3339

    return {
        "id": str(document.id),
        "job_id": str(document.job_id),
        "root_id": str(document.root_id),
        "url": document.url,
        "title": document.title,
        "text": document.text,
        "fields": document.fields,
        "truncated": document.truncated,
        "created_at": rfc3339(document.at),
    }


def _as_markdown(document: "StoredDocument") -> str:
    cut = "\n\n*(cut here)*" if document.truncated else ""
    return f"<!-- {clean(document.url)} -->\n\n{clean(document.text).strip()}{cut}\n"
