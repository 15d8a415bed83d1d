"""What time alone must bring about, done by any worker, safe to repeat: deadlines, parents a bug left open, small
things of passing use. Every script is bounded."""

import msgspec

from quaero.domain.durations import format_duration
from quaero.domain.entries import Level
from quaero.domain.facts import ErrorInfo
from quaero.domain.job import Job
from quaero.domain.status import WORDS, JobStatus
from quaero.engine.lifecycle.closing import close, finish
from quaero.engine.lifecycle.deliveries import forget_subscribers
from quaero.engine.lifecycle.moves import ALL, STOP
from quaero.engine.lifecycle.removal import forget_limits
from quaero.storage.port import Ledger, Note

S = JobStatus
PACE_KEPT_SECONDS = 700  # ten minutes to show, and the minute before them
LIMITS_LOOKED_AT = 1_000
LOOKED_AT = 20_000  # open parents
COUNTERS_KEPT = 100
LAST_ID = 2**63 - 1


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
    """Close parents that are sealed and done but open: none unless there is a bug; their ids, to be said aloud.

    Where very many are open a part is looked at, the next one at the next time, whichever worker does it.
    """
    ids = []
    for job in ledger.load(_sealed_and_done(ledger, limit)).values():
        if job.status != S.WAITING or not job.sealed or job.open_children:  # it was moved since we looked
            continue
        ledger.note(job, Note(Level.WARN, "Closed by the sweep: it was done and still open"))
        close(ledger, job, ledger.now)
        ids.append(job.id)
    return ids


def _sealed_and_done(ledger: Ledger, limit: int) -> list[int]:
    """Up to `limit` open parents of the next part that should be closed."""
    kept = ledger.rows("select value from meta where key = 'looked_for_open'")
    after = int(kept[0][0]) if kept else 0
    edge = ledger.rows(
        "select id from job where status = 2 and id > ? order by id limit 1 offset ?", (after, LOOKED_AT - 1)
    )
    upto = edge[0][0] if edge else LAST_ID
    found = ledger.rows(
        "select id from job where status = 2 and sealed = 1 and n_pending + n_running + n_waiting = 0"
        " and id > ? and id <= ? order by id limit ?",
        (after, upto, limit),
    )
    reached = found[-1][0] if len(found) == limit else upto if edge else 0
    if reached != after:
        ledger.run(
            "insert into meta(key, value) values('looked_for_open', ?)"
            " on conflict(key) do update set value = excluded.value",
            (str(reached),),
        )
    return [row[0] for row in found]


def trim_small(ledger: Ledger) -> None:
    """Forget what is only of passing use: counts behind the queue's history, keys, whoever is long gone."""
    day = 86_400_000_000
    for table in ("throughput", "latency"):
        ledger.run(f"delete from {table} where second < ?", (ledger.now // 1_000_000 - PACE_KEPT_SECONDS,))
    ledger.run("delete from idempotency where at < ?", (ledger.now - day,))
    ledger.run("delete from worker where state = 'gone' and lease_until < ?", (ledger.now - day,))
    _trim_limits(ledger)
    _fold_counters(ledger)
    forget_subscribers(ledger)


def _fold_counters(ledger: Ledger) -> None:
    """Every start of a process leaves a row of counts behind: those of many become one's.

    One of a process that lives after all is begun anew by its next commit.
    """
    ((n,),) = ledger.rows("select count(*) from counter")
    if n <= COUNTERS_KEPT:
        return
    gone = ledger.claimed(
        f"select writer, {', '.join(WORDS)} from counter where writer not in (select writer from throughput) limit ?",
        (10 * COUNTERS_KEPT,),
    )
    for writer, *counts in gone:
        ledger.run("delete from counter where writer = ?", (writer,))
        for status, count in enumerate(counts):
            ledger.discount(status, -count)


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
