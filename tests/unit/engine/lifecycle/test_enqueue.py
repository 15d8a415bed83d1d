"""Accepting trees: all of a request or none, once for each key, with the defaults of the kind."""

import pytest

from quaero.domain.bounds import MAX_BULK, MAX_PAYLOAD
from quaero.domain.errors import TooLarge, UnknownKind
from quaero.domain.events import JobCreated
from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle import workers
from quaero.engine.lifecycle.enqueue import NewJob, check_bulk, enqueue
from quaero.testing import Bench
from quaero.testing.factories import a_kind, a_root

pytestmark = pytest.mark.anyio


async def accept(bench: Bench, *requests: NewJob, idempotency_key: str | None = None) -> list[tuple[int, bool]]:
    accepted = await bench.store.write(enqueue, requests, idempotency_key)
    return [(answer.id, answer.created) for answer in accepted]


async def test_a_job_is_kept_as_it_was_asked_for(bench: Bench) -> None:
    request = NewJob(
        "work", b'{"x": 1}', name="n", key="k", priority=4, max_attempts=7, timeout=9_000_000, tags=("a", "b")
    )

    [(job_id, created)] = await accept(bench, request)

    job = await bench.job(job_id)
    assert created
    assert (job.kind, job.payload, job.name, job.key, job.tags) == ("work", b'{"x": 1}', "n", "k", '["a","b"]')
    assert (job.priority, job.max_attempts, job.timeout, job.created_at) == (4, 7, 9_000_000, bench.clock.now())
    assert (job.root_id, job.parent_id, job.status, job.round, job.attempt) == (job_id, None, S.PENDING, 1, 0)


async def test_what_is_not_said_comes_from_the_kind(bench: Bench) -> None:
    kinds = [a_kind("patient", max_attempts=9, timeout=5), a_kind("plain", max_attempts=0)]
    await bench.store.write(workers.announce, None, kinds, (), 4)

    patient, plain = [
        (await bench.job(job_id)) for job_id, _ in await accept(bench, a_root("patient"), a_root("plain"))
    ]

    assert (patient.max_attempts, patient.timeout) == (9, 5)
    assert (plain.max_attempts, plain.timeout) == (4, 0)


async def test_one_impossible_job_refuses_the_whole_request(bench: Bench) -> None:
    with pytest.raises(UnknownKind, match=r"job 2 of 3: no worker has ever announced the kind 'nobody'"):
        await accept(bench, a_root(), a_root("nobody"), a_root())
    with pytest.raises(TooLarge, match=r"job 2 of 2: payload of 262,145 bytes: the limit is 262,144"):
        await accept(bench, a_root(), NewJob("work", b'"' + b"x" * (MAX_PAYLOAD - 1) + b'"'))

    assert (await bench.store.stats()).counts.total == 0


async def test_a_payload_of_the_greatest_size_is_taken(bench: Bench) -> None:
    [(job_id, _)] = await accept(bench, NewJob("work", b'"' + b"x" * (MAX_PAYLOAD - 2) + b'"'))

    assert len((await bench.job(job_id)).payload) == MAX_PAYLOAD


def test_a_request_holds_so_many_jobs_and_no_more() -> None:
    check_bulk(MAX_BULK)
    with pytest.raises(TooLarge, match="10001 jobs in one request: send at most 10,000"):
        check_bulk(MAX_BULK + 1)


async def test_a_key_is_unique_among_open_roots_of_its_kind(bench: Bench) -> None:
    [(first, _)] = await accept(bench, a_root(key="k"))

    again = await accept(bench, a_root(key="k"), a_root("other", key="k"), a_root(key="l"), a_root(key="l"))
    assert again[0] == (first, False)
    assert [created for _, created in again] == [False, True, True, False]
    assert again[2][0] == again[3][0]

    await bench.finish()
    [(later, created)] = await accept(bench, a_root(key="k"))
    assert created
    assert later > first


async def test_the_same_idempotency_key_gives_the_first_answer_again(bench: Bench) -> None:
    first = await accept(bench, a_root(), a_root(), idempotency_key="abc")

    again = await accept(bench, a_root(), a_root(), idempotency_key="abc")
    other = await accept(bench, a_root(), idempotency_key="abd")

    assert again == [(job_id, False) for job_id, _ in first]
    assert other[0][1]
    assert (await bench.store.stats()).counts.total == 3


async def test_two_requests_with_one_idempotency_key_in_one_commit_are_one(bench: Bench) -> None:
    answers = await bench.together(*[lambda ledger: enqueue(ledger, [a_root()], "abc")] * 2)

    assert answers[0][0].id == answers[1][0].id
    assert (await bench.store.stats()).counts.total == 1


async def test_subscribers_are_told_of_what_they_asked_for_and_of_nothing_else(bench: Bench) -> None:
    await accept(bench, a_root())
    await bench.store.write(workers.announce, None, [], [(JobCreated.__name__, "listener")])

    [(job_id, _)] = await accept(bench, a_root())
    await bench.finish()

    told = await bench.store.rows("select subscriber, root_id, event from delivery")
    assert [(name, root_id) for name, root_id, _ in told] == [("listener", job_id)]
    assert b'"JobCreated"' in told[0][2]
