"""Which workers there are and what each of them runs, by the store: any gateway tells of all hosts."""

import msgspec

from quaero.domain.wire import rfc3339
from quaero.gateway.queue import WorkerLine, get_stats
from quaero.gateway.routing import Routes
from quaero.gateway.state import Gateway

routes = Routes()
SHOWN = 20  # jobs of a worker, those that have run longest

_RUNNING = f"""
select owner, total, id, root_id, kind, name, started_at from (
  select owner, id, root_id, kind, name, started_at, count(*) over (partition by owner) as total,
    row_number() over (partition by owner order by started_at, id) as place
  from job where owner is not null and status = 1) part
where place <= {SHOWN} order by owner, place"""


class RunningJob(msgspec.Struct, frozen=True):
    """A job that a worker runs."""

    id: str
    root_id: str
    kind: str
    name: str | None
    started_at: str


class BusyWorker(msgspec.Struct, frozen=True):
    """A worker with a lease, how many jobs it runs, and of those the ones that have run longest."""

    worker: WorkerLine
    running: int
    jobs: list[RunningJob]


class WorkerList(msgspec.Struct, frozen=True):
    """Every worker with a lease, by id."""

    workers: list[BusyWorker]


@routes.get("/api/workers")
async def get_workers(gateway: Gateway) -> WorkerList:
    """The workers of all hosts and what each runs: how many jobs, and the 20 that have run longest."""
    stats = await get_stats(gateway)
    totals: dict[str, int] = {}
    held: dict[str, list[RunningJob]] = {}
    for owner, total, job_id, root_id, kind, name, started_at in await gateway.store.rows(_RUNNING):
        totals[str(owner)] = total
        job = RunningJob(str(job_id), str(root_id), kind, name, rfc3339(started_at))
        held.setdefault(str(owner), []).append(job)
    return WorkerList([BusyWorker(one, totals.get(one.id, 0), held.get(one.id, [])) for one in stats.workers])
