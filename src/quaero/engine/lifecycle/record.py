"""One worker's round: what its executors told, in order, and the jobs it takes next, in one transaction.

Every fact passes the fence first: the job must be held by this worker under the fact's epoch. What does not pass is
dropped and reported as stale: its job belongs to somebody else now, and its process must stop.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from quaero.domain.entries import Level
from quaero.domain.facts import Began, Ended, ErrorInfo, Fact, How, Lines, Progressed, Spawned
from quaero.domain.fingerprint import fingerprint
from quaero.domain.job import Job
from quaero.domain.outcome import Next, after_failure, backoff
from quaero.domain.status import PENDING, RUNNING
from quaero.engine.lifecycle.cancel import cancel_now, give_back, list_cancel
from quaero.engine.lifecycle.closing import seal
from quaero.engine.lifecycle.enqueue import queue_again
from quaero.engine.lifecycle.leaf import PlainLeaves
from quaero.engine.lifecycle.moves import PENDING_CHILDREN, STOPPING, listed, move, start
from quaero.engine.lifecycle.spans import end_of, span_of
from quaero.engine.lifecycle.spawn import Answer, Memory, spawn
from quaero.storage.port import Ledger, Note

UNTOUCHED, LOST = int(How.UNTOUCHED), int(How.LOST)


class Recorded(msgspec.Struct):
    """What became of a round's facts: spawn answers, and jobs (id, epoch) this worker no longer holds."""

    answers: list[Answer] = []
    stale: list[tuple[int, int]] = []
    held_at: float = 0.0  # since when others wait, by the performance counter


def record(ledger: Ledger, worker_id: int, facts: Sequence[Fact], memory: Memory) -> Recorded:
    """Record facts in the order they are given."""
    recorded = Recorded()
    held = ledger.guarded(((fact.job_id, fact.epoch) for fact in facts), worker_id)
    plain = PlainLeaves(ledger)  # asks what it must know before others wait for the rows above
    ledger.load_above(held.values())
    recorded.held_at = time.perf_counter()
    plain.look_again()
    for fact in facts:
        job = held.get(fact.job_id)
        if job is None or job.owner != worker_id or job.epoch != fact.epoch:
            recorded.stale.append((fact.job_id, fact.epoch))
            if isinstance(fact, Spawned):
                error = f"job {fact.job_id} is no longer this worker's"
                recorded.answers.append(Answer(fact.job_id, fact.epoch, fact.token, [], error))
            continue
        if type(fact) is Ended and plain.take(job, fact):
            continue
        plain.record()
        match fact:
            case Ended():
                _ended(ledger, job, fact)
                memory.pop((job.id, job.epoch), None)
            case Lines():
                _begin(ledger, job, fact.first_at)
                if job.status == RUNNING:
                    ledger.lines(job, fact)
            case Began():
                _begin(ledger, job, fact.at)
            case Spawned():
                _begin(ledger, job, ledger.now)
                recorded.answers.append(spawn(ledger, job, fact, memory))
            case Progressed():
                _progressed(ledger, job, fact)
        plain.look_again()
    plain.record()
    return recorded


def _begin(ledger: Ledger, job: Job, at: int) -> None:
    """Record the start of an attempt, unless it is recorded, or its tree is being cancelled."""
    if job.status != PENDING:
        return
    mode = listed(ledger, job)
    if mode in STOPPING:
        cancel_now(ledger, job, mode)
        return
    start(ledger, job, at)


def _ended(ledger: Ledger, job: Job, end: Ended) -> None:
    if end.how == LOST:
        job.losses += 1
    if end.how >= UNTOUCHED and job.status == PENDING:
        give_back(ledger, job)
        return
    if job.status == PENDING:
        _begin(ledger, job, span_of(job, end, ledger.now)[0])
        if job.owner is None:
            return
    _OUTCOMES[end.how](ledger, job, end)


def _completed(ledger: Ledger, job: Job, end: Ended) -> None:
    job.result = end.result
    for document in end.documents:
        ledger.add_document(job, document)
    seal(ledger, job, end_of(job, end, ledger.now))


def _cancelled(ledger: Ledger, job: Job, end: Ended) -> None:
    mode = listed(ledger, job)
    if mode is None:  # stopped by a worker that is leaving: the work itself was not cancelled
        _refunded(ledger, job, end)
        return
    cancel_now(ledger, job, mode, end_of(job, end, ledger.now))


def _refunded(ledger: Ledger, job: Job, end: Ended) -> None:
    job.attempt -= 1
    move(ledger, job, PENDING, end.error.message if end.error else "")
    give_back(ledger, job)


def _failed(ledger: Ledger, job: Job, end: Ended) -> None:
    error = end.error or ErrorInfo("Error", "failed without a message")
    if end.how == How.TIMED_OUT:
        error = ErrorInfo("TimedOut", error.message, error.traceback, error.retry_after)
    fail(ledger, job, error, end_of(job, end, ledger.now))


def fail(ledger: Ledger, job: Job, error: ErrorInfo, at: int) -> None:
    """An attempt failed, `at`: try again after a back-off, or fail for good and take the pending children along."""
    print_ = fingerprint(error.type, error.message)
    job.error = _error_json(error, print_)
    mode = listed(ledger, job)
    if mode in STOPPING:
        cancel_now(ledger, job, mode, at)
        return
    if after_failure(job, final=error.final) is Next.RETRY:
        delay = backoff(job.attempt, ledger.rng.random(), error.retry_after)
        _note_failure(ledger, job, error, Level.WARN, f"; trying again in {delay / 1e6:.1f} s")
        job.owner = None
        move(ledger, job, PENDING, "retry")
        queue_again(ledger, job, run_at=ledger.now + delay)
        return
    _note_failure(ledger, job, error, Level.ERROR, "")
    ledger.count_error(job, print_, error.message, 1)
    job.own_failed = 1
    if job.tallies and job.open_children:
        list_cancel(ledger, job, PENDING_CHILDREN)
    seal(ledger, job, at)


def _note_failure(ledger: Ledger, job: Job, error: ErrorInfo, level: Level, then: str) -> None:
    fields: dict[str, Any] = {"error": error.type, "attempt": job.attempt}
    if error.traceback:
        fields["traceback"] = error.traceback
    ledger.note(
        job,
        Note(
            level,
            f"Attempt {job.attempt} of {job.max_attempts} failed: {error.type}: {error.message}{then}",
            fields=fields,
        ),
    )


def _error_json(error: ErrorInfo, print_: str) -> bytes:
    return msgspec.json.encode(
        {"type": error.type, "message": error.message, "traceback": error.traceback, "fingerprint": print_}
    )


def _progressed(ledger: Ledger, job: Job, fact: Progressed) -> None:
    _begin(ledger, job, ledger.now)
    if job.owner is None:
        return
    if fact.current is not None or fact.message is not None:
        job.progress = msgspec.json.encode({"current": fact.current, "total": fact.total, "message": fact.message})
        ledger.touch(job)
    if fact.counts:
        for row_id in {job.id, job.step_id or job.id, job.root_id}:
            row = ledger.get(row_id)
            sums: dict[str, int] = msgspec.json.decode(row.counts) if row.counts else {}
            for name, n in fact.counts.items():
                sums[name] = sums.get(name, 0) + n
            row.counts = msgspec.json.encode(sums)
            ledger.touch(row)


_OUTCOMES: dict[int, Callable[[Ledger, Job, Ended], None]] = {
    How.COMPLETED: _completed,
    How.FAILED: _failed,
    How.TIMED_OUT: _failed,
    How.CANCELLED: _cancelled,
    How.UNTOUCHED: _refunded,
    How.REFUNDED: _refunded,
    How.LOST: _refunded,
}
