"""One action on many jobs, as a job of its own: bounded transactions, progress, cancelled or retried like any other.

    ask ──> a root of the kind `quaero.bulk` ──> a worker reserves it ──> batch, batch, batch ... ──> completed

Each batch is one transaction: it acts on the next jobs in order of id and moves the position kept in this job's result,
behind the same fence as everything a worker writes. So whichever process dies, nothing is done twice or left out.
Only jobs that were there when it was asked for are touched.
"""

import time
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Literal

import msgspec

from quaero.domain.entries import Level
from quaero.domain.errors import Conflict, InvalidInput, NotFound
from quaero.domain.job import Job
from quaero.domain.status import RUNNING
from quaero.engine.lifecycle.cancel import Acted, cancel
from quaero.engine.lifecycle.enqueue import add_job
from quaero.engine.lifecycle.moves import listed
from quaero.engine.lifecycle.retry import delete, rerun, retry
from quaero.storage.port import JobFilter, Ledger, Note

KIND = "quaero.bulk"
PRIORITY = 2**31 - 1  # before all other lanes, so that looking for one costs nothing however many lanes are ready
ATTEMPTS = 10  # a lost worker costs one
MOST_JOBS = 250  # acted on in one transaction
MOST_AFFECTED = 2_000  # ... unless so many were touched before
MOST_SECONDS = 0.01  # ... or it took so much of a processor: others who write wait for it
TOLD = 100  # refusals told one by one in the log

Action = Literal["cancel", "retry", "rerun", "delete"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with which jobs. `asked` is the filter in the words it was asked for, `where` what it means.

    `failed_children` and `fingerprint` are those of a retry; `total` how many jobs match, if known beforehand.
    """

    action: Action
    asked: dict[str, Any]
    where: JobFilter
    failed_children: bool = False
    fingerprint: str | None = None
    total: int | None = None
    upto: int = 0


class Account(msgspec.Struct):
    """How far it is: up to which id, how many jobs it acted on, how many were touched with them, how many refused."""

    position: int = 0
    jobs: int = 0
    affected: int = 0
    refused: int = 0


class Stand(IntEnum):
    """How a batch left things."""

    MORE = 0
    DONE = 1
    CANCELLED = 2
    LOST = 3  # the job is no longer this worker's


def order(ledger: Ledger, wanted: Order) -> Job:
    """Accept an action on many jobs. It is accepted even when the disk is nearly full: it may be what frees it."""
    job_id = ledger.new_ids(1)
    wanted = msgspec.structs.replace(wanted, upto=job_id - 1)
    job = Job(
        job_id,
        job_id,
        KIND,
        name=f"{wanted.action} jobs in bulk",
        payload=msgspec.json.encode(wanted),
        priority=PRIORITY,
        created_at=ledger.now,
        max_attempts=ATTEMPTS,
    )
    add_job(ledger, job)
    return job


def work(ledger: Ledger, worker_id: int, job_id: int, epoch: int) -> Stand:
    """Act on the next jobs of a bulk this worker runs."""
    job = ledger.guarded([(job_id, epoch)], worker_id).get(job_id)
    if job is None or job.status != RUNNING:
        return Stand.LOST
    if listed(ledger, job) is not None:
        return Stand.CANCELLED
    wanted = msgspec.json.decode(job.payload, type=Order)
    account = msgspec.json.decode(job.result, type=Account) if job.result else Account()
    is_more = _batch(ledger, job, wanted, account)
    job.result = msgspec.json.encode(account)
    job.progress = msgspec.json.encode({"current": account.jobs, "total": wanted.total, "message": _said(account)})
    ledger.touch(job)
    return Stand.MORE if is_more else Stand.DONE


def _batch(ledger: Ledger, job: Job, wanted: Order, account: Account) -> bool:
    """Act until the batch is big enough; whether there is more to do."""
    most, ends = account.affected + MOST_AFFECTED, time.thread_time() + MOST_SECONDS
    found = ledger.find.matching(wanted.where, after=account.position, upto=wanted.upto, limit=MOST_JOBS)
    ledger.load_above(ledger.load(found.ids).values())  # all at once, and in the order of locks
    if wanted.action == "retry":
        ledger.find.learn_what_wait(found.ids)
    for job_id in found.ids:
        _act(ledger, job, wanted, account, job_id)
        account.position = job_id
        if account.affected >= most or time.thread_time() >= ends:
            return True
    if found.goes_on is None:
        return False
    account.position = found.goes_on
    return True


def _act(ledger: Ledger, job: Job, wanted: Order, account: Account, job_id: int) -> None:
    account.jobs += 1
    try:
        account.affected += _ACTIONS[wanted.action](ledger, job_id, wanted).affected
    except (Conflict, InvalidInput, NotFound) as refusal:
        account.refused += 1
        if account.refused <= TOLD:
            ledger.note(job, Note(Level.WARN, str(refusal)))


def _said(account: Account) -> str:
    refused = f", {account.refused} refused" if account.refused else ""
    return f"{account.affected} jobs touched{refused}"


_ACTIONS: dict[str, Callable[[Ledger, int, Order], Acted]] = {
    "cancel": lambda ledger, job_id, wanted: cancel(ledger, job_id),
    "retry": lambda ledger, job_id, wanted: retry(ledger, job_id, wanted.failed_children, wanted.fingerprint),
    "rerun": lambda ledger, job_id, wanted: rerun(ledger, job_id),
    "delete": lambda ledger, job_id, wanted: delete(ledger, job_id),
}
