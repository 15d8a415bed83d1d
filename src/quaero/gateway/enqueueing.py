"""Accepting jobs over HTTP: one at a time, or up to 10,000 in one request, all or none.

This is the one route whose cost per request matters: the body goes straight into structs, the job comes back from the
transaction that made it (no second read), and a bulk is answered with its ids only.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec

from quaero.domain.access import Access
from quaero.domain.durations import parse_duration
from quaero.domain.errors import Conflict, InvalidInput
from quaero.domain.job import Job
from quaero.domain.wire import WireJob, wire_job
from quaero.engine.lifecycle.enqueue import Enqueued, NewJob, check_bulk, enqueue
from quaero.failpoints import failpoint
from quaero.gateway.answers import Answer, json_answer
from quaero.gateway.idempotency import idempotency_key
from quaero.gateway.routing import Headers, Routes
from quaero.gateway.state import Gateway
from quaero.storage.port import Ledger

routes = Routes()


class JobRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A job somebody wants. `run_at` is an RFC 3339 time, `timeout` a duration such as `"30s"`."""

    kind: str
    payload: msgspec.Raw = msgspec.field(default_factory=partial(msgspec.Raw, b"{}"))
    name: str | None = None
    key: str | None = None
    priority: int = 0
    run_at: datetime | None = None
    max_attempts: int | None = None
    timeout: str | None = None
    tags: tuple[str, ...] = ()


class NewIds(msgspec.Struct, frozen=True):
    """The ids of the jobs of an array, in its order."""

    ids: list[str]


def to_new_job(request: JobRequest) -> NewJob:
    """The request as the engine takes it. Raises InvalidInput."""
    attempts = request.max_attempts
    if attempts is not None and attempts < 1:
        raise InvalidInput(f"max_attempts is {attempts}: it must be at least 1")
    if not -(2**31) <= request.priority < 2**31:
        raise InvalidInput(f"priority is {request.priority}: it must fit in 32 bits")
    payload = bytes(request.payload)
    if not payload.lstrip().startswith(b"{"):
        raise InvalidInput("payload must be an object: its names are the arguments of the function")
    return NewJob(
        kind=request.kind,
        payload=payload,
        name=request.name,
        key=request.key,
        priority=request.priority,
        run_at=_micros(request.run_at),
        max_attempts=attempts or 0,
        timeout=_timeout(request.timeout),
        tags=request.tags,
    )


def _micros(moment: datetime | None) -> int:
    if moment is None:
        return 0
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(0, round(moment.timestamp() * 1_000_000))


def _timeout(text: str | None) -> int:
    if text is None:
        return 0
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f"timeout: {error}") from None


def accept(ledger: Ledger, request: NewJob, idempotency_key: str | None) -> tuple[Enqueued, Job | None]:
    """Enqueue one job and give it back as this transaction leaves it (None: it was deleted since)."""
    (answer,) = accept_all(ledger, [request], idempotency_key)
    return answer, ledger.load((answer.id,)).get(answer.id)


def accept_all(ledger: Ledger, requests: Sequence[NewJob], idempotency_key: str | None) -> list[Enqueued]:
    """Enqueue jobs. Raises Conflict for an idempotency key whose first request was of another size."""
    answers = enqueue(ledger, requests, idempotency_key)
    if len(answers) != len(requests):
        raise Conflict(f"this Idempotency-Key was used for a request of {len(answers)} jobs: use a new key")
    return answers


@routes.post("/api/jobs", needs=Access.SUBMITTER, answers={201: WireJob | NewIds, 200: WireJob})
async def create_jobs(gateway: Gateway, body: JobRequest | list[JobRequest], headers: Headers) -> Answer:
    """Accept a job (201, or 200 with the open job that has its key), or an array of them (201 with their ids)."""
    key = idempotency_key(headers)
    if isinstance(body, list):
        return await _create_many(gateway, body, key)
    answer, job = await gateway.store.write(accept, to_new_job(body), key)
    failpoint("enqueue.after_commit")
    if job is None:
        raise Conflict(f"job {answer.id} of this Idempotency-Key was deleted: use a new key")
    status = 201 if answer.created else 200
    return json_answer(wire_job(job), status, (b"location", b"/api/jobs/%d" % answer.id))


async def _create_many(gateway: Gateway, requests: Sequence[JobRequest], key: str | None) -> Answer:
    check_bulk(len(requests))
    if not requests:
        raise InvalidInput("an empty array: send at least one job")
    answers = await gateway.store.write(accept_all, [to_new_job(request) for request in requests], key)
    failpoint("enqueue.after_commit")
    return json_answer(NewIds([str(answer.id) for answer in answers]), 201)
