"""Accepting new trees: one job each."""

from collections.abc import Sequence
from operator import attrgetter

import msgspec

from quaero.domain.bounds import MAX_BULK, MAX_PAYLOAD
from quaero.domain.errors import TooLarge, UnknownKind
from quaero.domain.events import JobCreated
from quaero.domain.job import Job
from quaero.engine.lifecycle.idempotency import remember, remembered
from quaero.engine.lifecycle.moves import make_ready
from quaero.storage.port import Ledger

MANY = 8  # from so many on, jobs that are alike are accepted as one
_all_but_payload = attrgetter("kind", "name", "key", "priority", "run_at", "max_attempts", "timeout", "tags")


class NewJob(msgspec.Struct, frozen=True):
    """A root somebody wants. `payload` is JSON; `run_at` and `timeout` microseconds; 0 means the kind's own."""

    kind: str
    payload: bytes = b"{}"
    name: str | None = None
    key: str | None = None
    priority: int = 0
    run_at: int = 0
    max_attempts: int = 0
    timeout: int = 0
    tags: tuple[str, ...] = ()


class Enqueued(msgspec.Struct, frozen=True):
    """The job a request got: a new one, or the open one that already has its key."""

    id: int
    created: bool


def enqueue(ledger: Ledger, requests: Sequence[NewJob], idempotency_key: str | None = None) -> list[Enqueued]:
    """Accept all of these jobs or none.

    A root's key is unique among the open roots of its kind: asking again gives the job that is there. The same
    idempotency key gives the first answer again. Raises UnknownKind or TooLarge naming the request.
    """
    known = remembered(ledger, idempotency_key)
    if known is not None:
        return [Enqueued(job_id, False) for job_id in known]
    ledger.admit()
    for position, request in enumerate(requests):
        _check(ledger, request, position, len(requests))
    first = ledger.new_ids(len(requests))
    if _differ_in_payload_only(requests) and not ledger.has_subscribers:
        add_alike(ledger, _job(ledger, requests[0], first), [request.payload for request in requests])
        answers = [Enqueued(job_id, True) for job_id in range(first, first + len(requests))]
    else:
        keys: dict[tuple[str, str], int] = {}
        answers = [_accept(ledger, request, first + n, keys) for n, request in enumerate(requests)]
    remember(ledger, idempotency_key, [answer.id for answer in answers])
    return answers


def check_bulk(n: int) -> None:
    """Raises TooLarge when one request holds more jobs than are taken at once."""
    if n > MAX_BULK:
        raise TooLarge(f"{n} jobs in one request: send at most {MAX_BULK:,} at a time")


def _check(ledger: Ledger, request: NewJob, position: int, of: int) -> None:
    where = f"job {position + 1} of {of}: " if of > 1 else ""
    if ledger.kind_info(request.kind) is None:
        raise UnknownKind(
            f"{where}no worker has ever announced the kind {request.kind!r}: "
            "start one whose --app registers it, or correct the name"
        )
    if len(request.payload) > MAX_PAYLOAD:
        raise TooLarge(f"{where}payload of {len(request.payload):,} bytes: the limit is {MAX_PAYLOAD:,}")


def _accept(ledger: Ledger, request: NewJob, job_id: int, keys: dict[tuple[str, str], int]) -> Enqueued:
    if request.key is not None:
        named = (request.kind, request.key)
        existing = keys.get(named) or ledger.find.open_root(*named)
        if existing is not None:
            return Enqueued(existing, False)
        keys[named] = job_id
    add_job(ledger, _job(ledger, request, job_id))
    return Enqueued(job_id, True)


def _differ_in_payload_only(requests: Sequence[NewJob]) -> bool:
    return len(requests) >= MANY and requests[0].key is None and len(set(map(_all_but_payload, requests))) == 1


def _job(ledger: Ledger, request: NewJob, job_id: int) -> Job:
    attempts, timeout = ledger.kind_info(request.kind) or (3, 0)
    return Job(
        job_id,
        job_id,
        request.kind,
        name=request.name,
        key=request.key,
        tags=msgspec.json.encode(request.tags).decode() if request.tags else None,
        priority=request.priority,
        payload=request.payload,
        created_at=ledger.now,
        max_attempts=request.max_attempts or attempts,
        timeout=request.timeout or timeout,
        run_at=request.run_at,
    )


def add_job(ledger: Ledger, job: Job) -> None:
    """Keep a new job and let it queue, if nothing holds it back."""
    ledger.add(job)
    _let_queue(ledger, job)
    if ledger.has_subscribers:
        ledger.tell(
            JobCreated(job_id=job.id, root_id=job.root_id, kind=job.kind, at=ledger.now, parent_id=job.parent_id)
        )


def add_alike(ledger: Ledger, sample: Job, payloads: Sequence[bytes]) -> None:
    """Keep many new jobs of which nobody has to be told, numbered from the id of `sample` on, and let them queue."""
    _let_queue(ledger, sample)
    ledger.add_alike(sample, payloads)


def _let_queue(ledger: Ledger, job: Job) -> None:
    job.lane_id = ledger.lane(job)
    job.ready = int(job.blocked_by == 0 and job.run_at <= ledger.now and not job.sealed)


def queue_again(ledger: Ledger, job: Job, *, run_at: int = 0) -> None:
    """Put a pending job back into its lane, not before `run_at`."""
    job.owner = None
    job.run_at = run_at
    make_ready(ledger, job)
