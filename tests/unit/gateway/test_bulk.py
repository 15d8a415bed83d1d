"""Bulk actions over HTTP: what they would touch, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from quaero.domain.facts import Child, Spawned

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import Submit, Worker

pytestmark = pytest.mark.anyio


async def bulk(client: httpx2.AsyncClient, action: str, status: int = 201, **body: Any) -> dict[str, Any]:
    answer = await client.post("/api/jobs/bulk", json={"action": action, **body})
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_preview_tells_what_would_be_touched_and_touches_nothing(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    await submit("parent", tags=["ours"])
    [parent] = await worker.take()
    await worker.tell(Spawned(parent.id, parent.epoch, 0, [Child("fetch", b"{}") for _ in range(3)]))
    ended = await submit("parent", tags=["ours"])
    await submit("parent")
    taken = [job for job in await worker.take(9) if str(job.id) == ended["id"]]
    await worker.finish(taken[0])

    told = await bulk(client, "cancel", 200, filter={"tag": "ours"}, preview=True)

    assert (told["matching"], told["actionable"], told["below"]["total"]) == (2, 1, 3)
    assert told["by_status"]["completed"] == 1
    assert not told["is_lower_bound"]
    assert (await client.get("/api/jobs", params={"kind": "quaero.bulk"})).json()["jobs"] == []


async def test_neighbouring_children_are_told_exactly_and_acted_on(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    await submit("parent")
    [parent] = await worker.take()
    await worker.tell(Spawned(parent.id, parent.epoch, 0, [Child("fetch", b"{}") for _ in range(5)]))
    children = await worker.take(5)
    await worker.finish(children[1])
    chosen = {"parent_id": str(parent.id), "children": f"{children[1].id}..{children[3].id}"}

    told = await bulk(client, "cancel", 200, filter=chosen, preview=True)
    done = await bulk(client, "cancel", filter={**chosen, "status": "pending,running"})

    assert (told["matching"], told["actionable"], told["is_lower_bound"]) == (3, 2, False)
    assert done["matching"] == 2


async def test_a_preview_of_children_tells_what_is_below_them(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    await submit("parent")
    [parent] = await worker.take()
    await worker.tell(Spawned(parent.id, parent.epoch, 0, [Child("parent", b"{}") for _ in range(2)]))
    [first, second] = await worker.take(2)
    await worker.tell(Spawned(first.id, first.epoch, 0, [Child("fetch", b"{}") for _ in range(4)]))
    chosen = {"parent_id": str(parent.id), "children": f"{first.id}..{second.id}"}

    told = await bulk(client, "cancel", 200, filter=chosen, preview=True)

    assert (told["matching"], told["actionable"], told["below"]["pending"]) == (2, 2, 4)
    assert not told["is_below_lower_bound"]


async def test_an_accepted_bulk_is_a_job_like_any_other(client: httpx2.AsyncClient, submit: Submit) -> None:
    job = await submit()

    told = await bulk(client, "cancel", filter={"ids": [job["id"], "999"]})

    shown = (await client.get(f"/api/jobs/{told['job']['id']}")).json()
    assert told["matching"] == 1
    assert (shown["kind"], shown["status"]) == ("quaero.bulk", "pending")
    assert shown["payload"]["asked"] == {"ids": [job["id"], "999"]}


async def test_a_bulk_that_is_asked_for_twice_with_one_key_is_one(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    await submit()
    wanted = {"action": "cancel", "filter": {"kind": "fetch"}}
    key = {"idempotency-key": "k"}

    first = await client.post("/api/jobs/bulk", json=wanted, headers=key)
    again = await client.post("/api/jobs/bulk", json=wanted, headers=key)
    array = [{"kind": "fetch"}] * 2
    await client.post("/api/jobs", json=array, headers={"idempotency-key": "two"})
    other = await client.post("/api/jobs/bulk", json=wanted, headers={"idempotency-key": "two"})

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.json()["job"]["id"] == again.json()["job"]["id"]


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"action": "cancel", "filter": {}}, "condition"),
        ({"action": "cancel"}, "filter"),
        ({"action": "explode", "filter": {"kind": "x"}}, "explode"),
        ({"action": "cancel", "filter": {"colour": "red"}}, "colour"),
        ({"action": "cancel", "filter": {"status": "asleep"}}, "asleep"),
        ({"action": "cancel", "filter": {"created_after": "yesterday"}}, "created_after"),
        ({"action": "cancel", "filter": {"kind": "x"}, "failed_children": True}, "retry"),
        ({"action": "retry", "filter": {"kind": "x"}, "fingerprint": "f"}, "failed_children"),
        ({"action": "delete", "filter": {"parent_id": "7"}}, "whole trees"),
        ({"action": "cancel", "filter": {"ids": ["1"] * 10_001}}, "10,000"),
        ({"action": "cancel", "filter": {"children": "8..15"}}, "parent_id"),
        ({"action": "cancel", "filter": {"parent_id": "7", "children": "15..8"}}, "8..15"),
    ],
)
async def test_a_bulk_that_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, body: dict[str, Any], hint: str
) -> None:
    answer = await client.post("/api/jobs/bulk", json=body)

    assert answer.status_code == 422
    assert hint in answer.json()["detail"]


async def test_lists_can_be_cut_by_time(client: httpx2.AsyncClient, submit: Submit) -> None:
    job = await submit()

    async def listed(**query: str) -> list[str]:
        return [one["id"] for one in (await client.get("/api/jobs", params=query)).json()["jobs"]]

    assert await listed(created_after=job["created_at"]) == [job["id"]]
    assert await listed(created_before=job["created_at"]) == []
    assert (await client.get("/api/jobs", params={"created_before": "soon"})).status_code == 422
