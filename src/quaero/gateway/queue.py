"""The queue at a glance, the documents jobs kept, and what probes ask: is it alive, is it ready, which version."""

from typing import Any

import msgspec

from quaero.domain.access import Access
from quaero.domain.errors import InvalidInput
from quaero.domain.wire import parse_id, rfc3339
from quaero.gateway.answers import Answer, json_answer
from quaero.gateway.listing import bounded
from quaero.gateway.routing import Routes
from quaero.gateway.state import Gateway
from quaero.storage.port import Latency, StoredDocument, WorkerRow

routes = Routes()
MAX_DOCUMENTS = 500


class WorkerLine(msgspec.Struct, frozen=True):
    """A worker process as the store knows it."""

    id: str
    host: str
    pid: int
    state: str
    started_at: str
    lease_until: str
    kinds: msgspec.Raw


class StartLatency(msgspec.Struct, frozen=True):
    """Milliseconds from ready to start of what started in the last minute."""

    p50_ms: float
    p95_ms: float
    max_ms: float


class QueueStats(msgspec.Struct, frozen=True, kw_only=True):
    """Every job of the store by status; `throughput` is jobs finished per second over the last minute.

    `latency` is null if nothing started in that minute.
    """

    pending: int
    running: int
    waiting: int
    completed: int
    failed: int
    cancelled: int
    throughput: float
    latency: StartLatency | None
    workers: list[WorkerLine]


class DocumentsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which documents: `q` searches their text, `job_id` names a tree by its root."""

    q: str | None = None
    job_id: str | None = None
    limit: int = 50
    cursor: str | None = None


class DocumentLine(msgspec.Struct, frozen=True, kw_only=True):
    """A document a job kept. `truncated`: the text was cut at its bound."""

    id: str
    job_id: str
    root_id: str
    url: str
    title: str
    text: str
    fields: dict[str, Any]
    truncated: bool
    created_at: str
    snippet: str


class DocumentList(msgspec.Struct, frozen=True):
    """A page of documents. Hits of a search come best first, on one page."""

    documents: list[DocumentLine]
    limit: int
    next_cursor: str | None


@routes.get("/api/health", needs=Access.NOBODY)
async def get_health() -> dict[str, str]:
    """Whether this process answers at all."""
    return {"status": "ok"}


@routes.get("/api/ready", needs=Access.NOBODY, answers={200: dict[str, str], 503: dict[str, str]})
async def get_ready(gateway: Gateway) -> Answer:
    """Whether this process can serve: its store answers and it is not stopping."""
    if gateway.draining:
        return json_answer({"status": "draining"}, 503, (b"retry-after", b"2"))
    await gateway.store.rows("select 1")
    return json_answer({"status": "ready"})


@routes.get("/api/version")
async def get_version(gateway: Gateway) -> dict[str, str]:
    """Which Quaero this is, and which life of which process and store."""
    return {
        "version": gateway.version,
        "server_instance_id": gateway.instance_id,
        "incarnation": gateway.store.incarnation,
    }


@routes.get("/api/queue/stats")
async def get_stats(gateway: Gateway) -> QueueStats:
    """The whole queue: counts, pace, workers."""
    stats = await gateway.store.stats()
    return QueueStats(
        **stats.counts._asdict(),
        throughput=stats.throughput,
        latency=_latency(stats.latency),
        workers=[_worker_line(row) for row in stats.workers],
    )


def _latency(latency: Latency | None) -> StartLatency | None:
    return StartLatency(latency.p50 / 1e3, latency.p95 / 1e3, latency.most / 1e3) if latency is not None else None


def _worker_line(row: WorkerRow) -> WorkerLine:
    return WorkerLine(
        id=str(row.id),
        host=row.host,
        pid=row.pid,
        state=row.state,
        started_at=rfc3339(row.started_at),
        lease_until=rfc3339(row.lease_until),
        kinds=msgspec.Raw(row.kinds.encode()),
    )


@routes.get("/api/documents")
async def get_documents(gateway: Gateway, query: DocumentsQuery) -> DocumentList:
    """The documents jobs kept, oldest first; with `q`, the best hits of a full-text search."""
    limit = bounded("limit", query.limit, 1, MAX_DOCUMENTS)
    after = _number("cursor", query.cursor) or 0
    root_id = _number("job_id", query.job_id)
    found = await gateway.store.documents(q=query.q or None, root_id=root_id, after=after, limit=limit)
    more = len(found) == limit and not query.q
    return DocumentList([_document_line(document) for document in found], limit, str(found[-1].id) if more else None)


def _number(name: str, text: str | None) -> int | None:
    if not text:
        return None
    number = parse_id(text)
    if number is None:
        raise InvalidInput(f"{name} {text[:40]!r} is not an id")
    return number


def _document_line(document: StoredDocument) -> DocumentLine:
    return DocumentLine(
        id=str(document.id),
        job_id=str(document.job_id),
        root_id=str(document.root_id),
        url=document.url,
        title=document.title,
        text=document.text,
        fields=document.fields,
        truncated=document.truncated,
        created_at=rfc3339(document.at),
        snippet=document.snippet,
    )
