"""The documents jobs kept: listed, searched, read, exported. An export is read page by page while it is sent."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import msgspec

from quaero.domain.errors import InvalidInput, NotFound
from quaero.domain.wire import parse_id, rfc3339
from quaero.gateway.answers import Stream, encode
from quaero.gateway.routing import Media, Routes
from quaero.gateway.state import Gateway
from quaero.storage.port import Store, StoredDocument

routes = Routes()
EXCERPT = 240  # characters of the text in a list that was not searched
EXPORTED_AT_ONCE = 50  # documents read for one chunk
_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


class DocumentsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which documents: `q` searches titles and texts for all its words, `job_id` names a tree by its root."""

    q: str | None = None
    job_id: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50
    cursor: str | None = None


class ExportQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which documents, in which form."""

    format: Literal["jsonl", "markdown"] = "jsonl"
    q: str | None = None
    job_id: str | None = None


class DocumentLine(msgspec.Struct, frozen=True, kw_only=True):
    """A document without its text. `snippet` is where a search hit, else how it begins; `size` counts characters.

    `truncated`: the text was cut at its bound when it was kept.
    """

    id: str
    job_id: str
    root_id: str
    url: str
    title: str
    snippet: str
    size: int
    fields: dict[str, Any]
    truncated: bool
    created_at: str


class WireDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document a job kept."""

    id: str
    job_id: str
    root_id: str
    url: str
    title: str
    text: str
    size: int
    fields: dict[str, Any]
    truncated: bool
    created_at: str


class DocumentList(msgspec.Struct, frozen=True):
    """A page of documents. `next_cursor` is null on the last one."""

    documents: list[DocumentLine]
    limit: int
    next_cursor: str | None


@routes.get("/api/documents")
async def get_documents(gateway: Gateway, query: DocumentsQuery) -> DocumentList:
    """The documents jobs kept, oldest first; with `q`, the hits of a full-text search, best first."""
    limit = query.limit
    after = _number("cursor", query.cursor) or 0
    root_id = _number("job_id", query.job_id)
    q = query.q or None
    page = await gateway.store.documents(q=q, root_id=root_id, after=after, limit=limit + 1)
    found = page[:limit]
    then = _following(q, after, found) if len(page) > limit else None
    return DocumentList([_line(document) for document in found], limit, None if then is None else str(then))


@routes.get(
    "/api/documents/export",
    answers={200: Media("application/jsonl", also=("text/markdown",))},
)
async def get_export(gateway: Gateway, query: ExportQuery) -> Stream:
    """Documents with their texts as JSON lines or as Markdown, streamed; with `q`, the hits of a search."""
    root_id = _number("job_id", query.job_id)
    documents = _all(gateway.store, query.q or None, root_id)
    if query.format == "markdown":
        name, content_type, form = "documents.md", b"text/markdown; charset=utf-8", _markdown
    else:
        name, content_type, form = "documents.jsonl", b"application/jsonl", _json_line
    disposition = (b"content-disposition", f'attachment; filename="{name}"'.encode())

    async def chunks() -> AsyncIterator[bytes]:
        async for page in documents:
            yield b"".join(form(document) for document in page)

    return Stream(chunks(), content_type, (disposition,))


@routes.get("/api/documents/{id}")
async def get_document(gateway: Gateway, id: str) -> WireDocument:
    """One document with its text."""
    number = parse_id(id)
    found = await gateway.store.documents(after=number - 1, limit=1) if number else []
    if not found or found[0].id != number:
        raise NotFound(f"there is no document {id[:40]!r}")
    return _whole(found[0])


async def _all(store: Store, q: str | None, root_id: int | None) -> AsyncIterator[list[StoredDocument]]:
    """Pages of documents, oldest first; with words, hits, best first."""
    after = 0
    while page := await store.documents(q=q, root_id=root_id, after=after, limit=EXPORTED_AT_ONCE):
        yield page
        after = _following(q, after, page)


def _following(q: str | None, after: int, page: list[StoredDocument]) -> int:
    """Where the next page begins: hits are counted, all others go by id."""
    return after + len(page) if q is not None else page[-1].id


def _number(name: str, text: str | None) -> int | None:
    if not text:
        return None
    number = parse_id(text)
    if number is None:
        raise InvalidInput(f"{name} {text[:40]!r} is not an id")
    return number


def _common(document: StoredDocument) -> dict[str, Any]:
    return {
        "id": str(document.id),
        "job_id": str(document.job_id),
        "root_id": str(document.root_id),
        "url": document.url,
        "title": document.title,
        "size": len(document.text),
        "fields": document.fields,
        "truncated": document.truncated,
        "created_at": rfc3339(document.at),
    }


def _line(document: StoredDocument) -> DocumentLine:
    return DocumentLine(**_common(document), snippet=document.snippet or document.text[:EXCERPT])


def _whole(document: StoredDocument) -> WireDocument:
    return WireDocument(**_common(document), text=document.text)


def _json_line(document: StoredDocument) -> bytes:
    return encode(_whole(document)) + b"\n"


def _markdown(document: StoredDocument) -> bytes:
    """Its text under its address. Control characters stay out: somebody may print this to a terminal."""
    cut = "\n\n*(cut here)*" if document.truncated else ""
    url = document.url.translate(_CONTROLS).replace("\n", "").replace("--", "%2D%2D")
    return f"<!-- {url} -->\n\n{document.text.translate(_CONTROLS).strip()}{cut}\n\n".encode()
