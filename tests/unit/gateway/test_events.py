"""A job's events, its children by what is remarkable, its failures a page at a time, and the server as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from quaero.domain.facts import Began, Child, Ended, Spawned
from quaero.domain.job import Job
from quaero.gateway.state import Gateway

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import Submit, Worker

pytestmark = pytest.mark.anyio


async def get(client: httpx2.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def parent_of(submit: Submit, worker: Worker, n: int) -> Job:
    await submit("parent")
    [parent] = await worker.take()
    await worker.tell(Spawned(parent.id, parent.epoch, 0, [Child("fetch", b"{}") for _ in range(n)]))
    return parent


async def test_events_are_the_jobs_own_entries_oldest_first(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    parent = await parent_of(submit, worker, 2)
    [child, _] = await worker.take(2)
    await worker.log(child, "one", "two")

    own = await get(client, f"/api/jobs/{child.id}/events")
    above = await get(client, f"/api/jobs/{parent.id}/events")

    assert [entry["message"] for entry in own] == ["Status changed: running", "one", "two"]
    assert {entry["job_id"] for entry in above} == {str(parent.id)}


async def test_the_headers_of_events_go_on_where_they_ended(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    await submit()
    [job] = await worker.take()
    await worker.log(job, *map(str, range(7)))
    found: list[str] = []
    path: str | None = f"/api/jobs/{job.id}/events?limit=3"
    while path:
        answer = await client.get(path)
        found += [entry["message"] for entry in answer.json()]
        path = answer.headers["link"].split(">")[0][1:] if "link" in answer.headers else None
    cursor = answer.headers["quaero-cursor"]
    await worker.log(job, "later")

    assert found == ["Status changed: running", *map(str, range(7))]
    assert [e["message"] for e in await get(client, f"/api/jobs/{job.id}/events", cursor=cursor)] == ["later"]


async def test_events_can_be_skipped_and_cut_by_time(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    await submit()
    [job] = await worker.take()
    await worker.log(job, "one", "two", "three")
    path = f"/api/jobs/{job.id}/events"

    assert [entry["message"] for entry in await get(client, path, offset=2)] == ["two", "three"]
    assert await get(client, path, since="2999-01-01T00:00:00Z") == []
    assert (await client.get(path, params={"since": "soon"})).status_code == 422
    assert (await client.get(path, params={"limit": 0})).status_code == 422


async def test_the_slowest_children_come_first(client: httpx2.AsyncClient, submit: Submit, worker: Worker) -> None:
    parent = await parent_of(submit, worker, 5)
    children = await worker.take(4)
    for job, seconds in zip(children, (3, 9, 1, 5), strict=True):
        at = job.created_at
        await worker.tell(Began(job.id, job.epoch, at), Ended(job.id, job.epoch, at, at))
        script = "update job set finished_at = started_at + ? where id = ?"
        await worker.store.write(lambda ledger, s=seconds, i=job.id, q=script: ledger.run(q, (s * 1_000_000, i)))

    page = await get(client, f"/api/jobs/{parent.id}/children", order="-duration", limit=3)

    assert [job["id"] for job in page["jobs"]] == [str(children[n].id) for n in (1, 3, 0)]
    assert page["next_cursor"] is None


async def test_the_longest_silent_of_the_running_children_come_first(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    parent = await parent_of(submit, worker, 4)
    first, second, third, _ = await worker.take(4)
    for job in (first, second, third, first):
        await worker.log(job, "here")

    page = await get(client, f"/api/jobs/{parent.id}/children", order="-silent")

    ids = [str(job.id) for job in (second, third, first)]
    assert [job["id"] for job in page["jobs"]] == ids
    assert list(page["silent_since"]) == ids
    refused = await client.get(f"/api/jobs/{parent.id}/children", params={"order": "-silent", "status": "failed"})
    assert refused.status_code == 422


async def test_failures_come_a_page_at_a_time(client: httpx2.AsyncClient, submit: Submit, worker: Worker) -> None:
    parent = await parent_of(submit, worker, 3)
    for job, word in zip(await worker.take(3), ("red", "green", "blue"), strict=True):
        await worker.finish(job, error=f"it is {word}")

    first = await get(client, f"/api/jobs/{parent.id}/errors", limit=2)
    second = await get(client, f"/api/jobs/{parent.id}/errors", limit=2, cursor=first["next_cursor"])

    assert first["total_count"] == 3
    assert len({group["message"] for group in first["errors"] + second["errors"]}) == 3
    assert second["next_cursor"] is None


async def test_the_status_says_what_runs_here_and_whether_work_gets_done(
    client: httpx2.AsyncClient, gateway: Gateway, submit: Submit
) -> None:
    await submit()
    told = await get(client, "/api/status")
    assert (told["status"], told["version"], told["working"]) == ("ok", "1.2.3", False)
    assert told["queue"]["pending"] == 1
    assert told["store"] == "sqlite"
    assert told["uptime_ms"] >= 0


async def test_a_live_worker_counts_as_working(client: httpx2.AsyncClient, worker: Worker) -> None:
    assert (await get(client, "/api/status"))["working"]


async def test_kinds_are_listed_with_the_schema_of_their_payload(client: httpx2.AsyncClient) -> None:
    kinds = (await get(client, "/api/kinds"))["kinds"]

    assert [kind["kind"] for kind in kinds] == ["fetch", "parent"]
    assert all(isinstance(kind["payload_schema"], dict) for kind in kinds)
