"""This server as a whole: which, since when, over which store, with which workers and kinds."""

import msgspec

from quaero.domain.wire import rfc3339
from quaero.gateway.queue import QueueStats, get_stats
from quaero.gateway.registration import list_gateways
from quaero.gateway.routing import Routes
from quaero.gateway.state import Gateway

routes = Routes()


class DefinitionCounts(msgspec.Struct, frozen=True):
    """Definitions that are kept; how many of them are enabled, run by a schedule, cannot run."""

    total: int
    enabled: int
    scheduled: int
    unrunnable: int


class ServerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole at a glance. `store` is the sort of store; `working`: there is a worker to run what is accepted."""

    status: str
    working: bool
    version: str
    server_instance_id: str
    incarnation: str
    started_at: str
    uptime_ms: int
    store: str
    queue: QueueStats
    definitions: DefinitionCounts
    deliveries_waiting: int


class KindLine(msgspec.Struct, frozen=True, kw_only=True):
    """A kind workers announced: its defaults, and the JSON Schema of its payload. `live`: a worker that runs has it."""

    kind: str
    max_attempts: int
    timeout_ms: int
    payload_schema: msgspec.Raw
    seen_at: str
    live: bool


class KindList(msgspec.Struct, frozen=True):
    """Every kind that was ever announced, by name."""

    kinds: list[KindLine]


class GatewayLine(msgspec.Struct, frozen=True):
    """A gateway process that said it serves; `url` is how its machine is reached by others, as far as it knows."""

    server_instance_id: str
    url: str
    host: str
    seen_at: str


class GatewayList(msgspec.Struct, frozen=True):
    """Gateways of a store that many machines share, the newest word first. One on a file is listed nowhere."""

    gateways: list[GatewayLine]


@routes.get("/api/status")
async def get_status(gateway: Gateway) -> ServerStatus:
    """This server and its queue as a whole."""
    store = gateway.store
    queue = await get_stats(gateway)
    ((total, enabled, scheduled, unrunnable, waiting),) = await store.rows(
        "select (select count(*) from definition), (select count(*) from definition where enabled = 1),"
        " (select count(*) from definition where enabled = 1 and schedule <> ''),"
        " (select count(*) from definition where problem is not null),"
        " (select count(*) from (select 1 from delivery limit 10000) part)"
    )
    now = gateway.clock.now()
    return ServerStatus(
        status="draining" if gateway.draining else "ok",
        working=any(worker.state == "live" for worker in queue.workers),
        version=gateway.version,
        server_instance_id=gateway.instance_id,
        incarnation=store.incarnation,
        started_at=rfc3339(gateway.started_at),
        uptime_ms=(now - gateway.started_at) // 1_000,
        store=gateway.settings.store.url.partition(":")[0],
        queue=queue,
        definitions=DefinitionCounts(total, enabled, scheduled, unrunnable),
        deliveries_waiting=waiting,
    )


@routes.get("/api/gateways")
async def get_gateways(gateway: Gateway) -> GatewayList:
    """Where else this store is served."""
    rows = await list_gateways(gateway.store, gateway.clock.now())
    return GatewayList([GatewayLine(row.instance, row.url, row.host, rfc3339(row.seen_at)) for row in rows])


@routes.get("/api/kinds")
async def get_kinds(gateway: Gateway) -> KindList:
    """The kinds there are, with their defaults and the schema of their payload."""
    stats = await gateway.store.stats()
    live: set[str] = set()
    for worker in stats.workers:
        live.update(msgspec.json.decode(worker.kinds, type=list[str]))
    rows = await gateway.store.rows("select kind, max_attempts, timeout, schema, seen_at from kind order by kind")
    return KindList(
        [
            KindLine(
                kind=kind,
                max_attempts=attempts,
                timeout_ms=timeout // 1_000,
                payload_schema=msgspec.Raw(schema.encode() or b"{}"),
                seen_at=rfc3339(seen_at),
                live=kind in live,
            )
            for kind, attempts, timeout, schema, seen_at in rows
        ]
    )
