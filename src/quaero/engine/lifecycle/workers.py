"""Leases: one row per start of a worker process, renewed by it, swept by any other."""

from collections.abc import Sequence

import msgspec

from quaero.domain.entries import Level
from quaero.domain.facts import ErrorInfo
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.engine.lifecycle.cancel import give_back
from quaero.engine.lifecycle.deliveries import Subscription, release_deliveries, stay_subscribed
from quaero.engine.lifecycle.record import fail
from quaero.engine.protocol import KindInfo
from quaero.storage.port import Ledger, Note, WorkerRow

S = JobStatus


def register(ledger: Ledger, identity: str, host: str, pid: int, lease: int) -> int:
    """A worker starts: its id. `identity` is random for each start, so no two processes are ever one worker."""
    ((worker_id,),) = ledger.rows(
        "insert into worker(identity, host, pid, started_at, lease_until, state) values(?, ?, ?, ?, ?, 'live')"
        " returning id",
        (identity, host, pid, ledger.now, ledger.now + lease),
    )
    return int(worker_id)


def announce(
    ledger: Ledger,
    worker_id: int | None,
    kinds: Sequence[KindInfo],
    subscriptions: Sequence[Subscription] = (),
    default_attempts: int = 3,
) -> None:
    """Make kinds known to the store, with the defaults of their jobs and the schema of their payload."""
    for info in sorted(kinds, key=lambda info: info.kind):
        ledger.run(
            "insert into kind(kind, sort, max_attempts, timeout, schema, seen_at)"
            " values(?, ?, ?, ?, ?, ?)"
            " on conflict(kind) do update set sort = excluded.sort,"
            " max_attempts = excluded.max_attempts, timeout = excluded.timeout, schema = excluded.schema,"
            " seen_at = excluded.seen_at",
            (
                info.kind,
                info.sort,
                info.max_attempts or default_attempts,
                info.timeout,
                info.schema.decode(),
                ledger.now,
            ),
        )
    stay_subscribed(ledger, subscriptions)
    if worker_id is not None:
        names = msgspec.json.encode([info.kind for info in kinds]).decode()
        ledger.run("update worker set kinds = ? where id = ?", (names, worker_id))


def renew(ledger: Ledger, worker_id: int, lease: int) -> bool:
    """Prolong a lease. False: it was swept, and everything this worker held belongs to others."""
    return bool(
        ledger.run(
            "update worker set lease_until = ? where id = ? and state <> 'gone'", (ledger.now + lease, worker_id)
        )
    )


def drain(ledger: Ledger, worker_id: int) -> None:
    """A worker takes nothing more; what it runs may still be recorded."""
    ledger.run("update worker set state = 'draining' where id = ? and state = 'live'", (worker_id,))


def leave(ledger: Ledger, worker_id: int) -> int:
    """A worker is gone for good, in order or swept: give back all it held; how many jobs."""
    ledger.run("update worker set state = 'gone' where id = ?", (worker_id,))  # first: it reserves no more
    given = 0
    while batch := ledger.find.owned_by(worker_id, 5_000):
        for job in batch:
            _take_back(ledger, job)
        given += len(batch)
    release_deliveries(ledger, worker_id)
    return given


def sweep_workers(ledger: Ledger, limit: int = 10) -> list[tuple[WorkerRow, int]]:
    """Return the jobs of workers whose lease has ended: [(worker, jobs returned)]."""
    return [(worker, leave(ledger, worker.id)) for worker in ledger.find.lapsed(limit)]


def _take_back(ledger: Ledger, job: Job) -> None:
    if job.status == S.RUNNING:
        ledger.note(job, Note(Level.WARN, "Its worker was lost; the last lines may be cut", fields={"lost": "unknown"}))
        fail(ledger, job, ErrorInfo("WorkerLost", "the worker that ran it was lost"), ledger.now)
        return
    job.losses += 1
    give_back(ledger, job)
