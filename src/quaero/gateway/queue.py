"""The queue at a glance, and what probes ask: is it alive, is it ready, which version."""

import msgspec

from quaero.domain.access import Access
from quaero.domain.wire import rfc3339
from quaero.gateway.answers import Answer, json_answer
from quaero.gateway.routing import Routes
from quaero.gateway.state import Gateway
from quaero.storage.port import Latency, Store, WorkerRow

routes = Routes()


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


class QueueMoment(msgspec.Struct, frozen=True):
    """What `GET /api/queue/stats` would have told of the pace at a time."""

    timestamp: str
    throughput: float
    latency: StartLatency | None


class QueueHistory(msgspec.Struct, frozen=True):
    """How the queue went of late, oldest first, every `interval_ms`."""

    interval_ms: int
    moments: list[QueueMoment]


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
    return await queue_stats(gateway.store)


@routes.get("/api/queue/history")
async def get_history(gateway: Gateway) -> QueueHistory:
    """Throughput and latency of the last ten minutes, the same from every gateway."""
    moments = await gateway.history.get(None, gateway.store.history)
    between = (moments[1].at - moments[0].at) // 1_000
    return QueueHistory(
        between, [QueueMoment(rfc3339(one.at), one.throughput, _latency(one.latency)) for one in moments]
    )


async def queue_stats(store: Store) -> QueueStats:
    """How the whole queue stands."""
    stats = await store.stats()
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
