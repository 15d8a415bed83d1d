"""What time alone must bring about, done by any worker, safe to repeat: lapsed leases, deadlines, parents a bug left
open, retention. Every script is bounded; callers repeat while it reports work."""

import msgspec

from quaero.domain.durations import format_duration
from quaero.domain.entries import Level
from quaero.domain.facts import ErrorInfo
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.engine.lifecycle.closing import close, finish
from quaero.engine.lifecycle.moves import ALL, STOP
from quaero.storage.port import Ledger, Note

S = JobStatus
PACE_KEPT_SECONDS = 700  # ten minutes to show, and the minute before them
MANY_LIMITS = LIMITS_TRIMMED = 1_000


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


def purge(ledger: Ledger, limit: int = 5_000) -> int:
    """Remove rows of deleted trees, `limit` at most; how many jobs went."""
    found = ledger.claimed("select id from job where purging = 1 limit 1")
    if not found:
        return 0
    root_id = found[0][0]
    ids = [row[0] for row in ledger.rows(_BELOW_ROOT, (root_id, root_id, limit))]
    if not ids:
        _purge_tree(ledger, root_id)
        return 1
    _drop_jobs(ledger, ids)
    return len(ids)


_BELOW_ROOT = """
with recursive below(id) as (
  select cast(? as bigint) union all select job.id from job join below on job.parent_id = below.id)
select id from below where id <> ? order by id desc limit ?"""


def _drop_jobs(ledger: Ledger, ids: list[int]) -> None:
    for job in ledger.load(ids).values():
        ledger.discount(job)
    marks = ", ".join(map(str, ids))
    ledger.run(f"delete from dependency where waits_for in ({marks}) or job_id in ({marks})")
    ledger.run(f"delete from job where id in ({marks})")


def _purge_tree(ledger: Ledger, root_id: int) -> None:
    """The root itself and everything kept by tree: journal, lanes, errors, documents."""
    blocks = ledger.rows(
        "select block_id, count(*) from run where root_id = ? group by block_id order by 1", (root_id,)
    )
    for block_id, n in blocks:
        ledger.run("update block set refs = refs - ? where id = ?", (n, block_id))
        ledger.run("delete from block where id = ? and refs <= 0", (block_id,))
    for table in ("run", "lane", "error_group", "document", "delivery"):
        ledger.run(f"delete from {table} where root_id = ?", (root_id,))
    _drop_jobs(ledger, [root_id])


def retire(ledger: Ledger, keep: int, limit: int = 100) -> int:
    """Mark trees closed longer than `keep` microseconds for removal; how many."""
    found = ledger.rows(
        "select id from job where parent_id is null and status >= 3 and purging = 0 and finished_at > 0"
        " and finished_at < ? limit ?",
        (ledger.now - keep, limit),
    )
    for root in ledger.load(row[0] for row in found).values():
        root.become_branch()
        root.purging = 1
        ledger.touch(root)
    return len(found)


def trim_small(ledger: Ledger) -> None:
    """Forget what is only of passing use: counts behind the queue's history, idempotency keys, workers long gone."""
    day = 86_400_000_000
    for table in ("throughput", "latency"):
        ledger.run(f"delete from {table} where second < ?", (ledger.now // 1_000_000 - PACE_KEPT_SECONDS,))
    ledger.run("delete from idempotency where at < ?", (ledger.now - day,))
    ledger.run("delete from worker where state = 'gone' and lease_until < ?", (ledger.now - day,))
    ((limits,),) = ledger.rows("select count(*) from limits")
    if limits > MANY_LIMITS:
        idle = ledger.claimed(
            "select id from limits where in_use = 0 and next_at < ? limit ?", (ledger.now, LIMITS_TRIMMED)
        )
        marks = ", ".join(str(row[0]) for row in idle) or "0"
        ledger.run(
            f"delete from limits where id in ({marks})"
            " and key not in (select 'step:' || id from job where is_step = 1)"
            " and id not in (select limit_id from lane where limit_id is not null"
            " union select step_limit_id from lane where step_limit_id is not null)"
        )
