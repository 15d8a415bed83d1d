"""What time alone must bring about, done by any worker, safe to repeat: lapsed leases, deadlines, parents a bug left
open, small things of passing use. Every script is bounded; callers repeat while it reports work."""

import msgspec

from quaero.domain.durations import format_duration
from quaero.domain.entries import Level
from quaero.domain.facts import ErrorInfo
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.engine.lifecycle.closing import close, finish
from quaero.engine.lifecycle.moves import ALL, STOP
from quaero.engine.lifecycle.removal import forget_limits
from quaero.storage.port import Ledger, Note

S = JobStatus
PACE_KEPT_SECONDS = 700  # ten minutes to show, and the minute before them
LIMITS_LOOKED_AT = 1_000


def expire_trees(ledger: Ledger, limit: int = 20) -> int:
    """Fail the trees that are past their timeout and stop what is below them; how many."""
    found = ledger.rows(
        "select id from job where deadline > 0 and status < 3 and deadline <= ? limit ?", (ledger.now, limit)
    )
    for root in ledger.load(row[0] for row in found).values():
        if root.deadline and not root.is_terminal:  # another script of this commit may have closed it
            _expire(ledger, root)
    return len(found)


def _expire(ledger: Ledger, root: Job) -> None:
    message = f"timed out after {format_duration(root.tree_timeout)}"
    root.deadline = 0
    root.own_failed = 1
    root.error = msgspec.json.encode(error_record("TreeTimedOut", message))
    ledger.note(root, Note(Level.ERROR, f"The tree {message}"))
    ledger.touch(root)
    modes = ledger.cancel_lists.get(root.id, {})
    if modes.get(root.id) != ALL:
        ledger.list_cancel(root, {**modes, root.id: STOP})
    if root.status == S.PENDING:
        finish(ledger, root, S.CANCELLED, message)


def error_record(kind: str, message: str) -> dict[str, str | None]:
    """An error as a job's row keeps it."""
    info = ErrorInfo(kind, message)
    return {"type": info.type, "message": info.message, "traceback": info.traceback, "fingerprint": None}


def close_forgotten(ledger: Ledger, limit: int = 100) -> list[int]:
    """Close parents that are sealed and done but open: none unless there is a bug; their ids, to be said aloud."""
    found = ledger.rows(
        "select id from job where status = 2 and sealed = 1 and n_pending + n_running + n_waiting = 0 limit ?", (limit,)
    )
    ids = []
    for job in ledger.load(row[0] for row in found).values():
        if job.status != S.WAITING or not job.sealed or job.open_children:  # it was moved since we looked
            continue
        ledger.note(job, Note(Level.WARN, "Closed by the sweep: it was done and still open"))
        close(ledger, job, ledger.now)
        ids.append(job.id)
    return ids


def trim_small(ledger: Ledger) -> None:
    """Forget what is only of passing use: counts behind the queue's history, idempotency keys, workers long gone."""
    day = 86_400_000_000
    for table in ("throughput", "latency"):
        ledger.run(f"delete from {table} where second < ?", (ledger.now // 1_000_000 - PACE_KEPT_SECONDS,))
    ledger.run("delete from idempotency where at < ?", (ledger.now - day,))
    ledger.run("delete from worker where state = 'gone' and lease_until < ?", (ledger.now - day,))
    _trim_limits(ledger)


def _trim_limits(ledger: Ledger) -> None:
    """Limits go with the trees that queue under them, but for some that kept somebody waiting just then.

    Those are found by looking at a few somewhere. Steps' limits go with their steps.
    """
    ((most,),) = ledger.rows("select coalesce(max(id), 0) from limits")
    looked_at = ledger.rows(
        "select id from limits where id >= ? and key not like 'step:%' order by id limit ?",
        (int(ledger.rng.random() * most), LIMITS_LOOKED_AT),
    )
    forget_limits(ledger, [row[0] for row in looked_at])
