"""The REST routes over a real store: the shapes and codes of the interface."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from quaero.domain.definitions import parse
from quaero.domain.facts import Child, Spawned
from quaero.domain.wire import parse_time
from quaero.engine.lifecycle.definitions import run_definition
from quaero.gateway.application import ROUTES
from quaero.gateway.queue import get_history
from quaero.gateway.state import Gateway
from quaero.storage.sqlstore import SqlStore

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import Submit, Worker

pytestmark = pytest.mark.anyio

NEWS = """
id = "news"
name = "News"
[step.crawl]
type = "parent"
[step.tell]
type = "fetch"
depends = "crawl"
on_error = "continue"
"""


async def get(client: httpx2.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_an_accepted_job_comes_back_whole(client: httpx2.AsyncClient) -> None:
    wanted = {"kind": "fetch", "payload": {"url": "x", "n": 1.5}, "name": "One", "priority": 3, "tags": ["a", "b"]}
    answer = await client.post("/api/jobs", json={**wanted, "max_attempts": 7, "timeout": "30s"})

    job = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/jobs/{job['id']}"
    assert {name: job[name] for name in wanted} == wanted
    assert (job["status"], job["attempt"], job["max_attempts"], job["round"]) == ("pending", 0, 7, 1)
    assert await get(client, f"/api/jobs/{job['id']}") == {**job, "reason": None}


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"kind": "nobody"}, "nobody"),
        ({}, "kind"),
        ({"kind": "fetch", "color": "red"}, "color"),
        ({"kind": "fetch", "timeout": "soon"}, "timeout"),
        ({"kind": "fetch", "priority": "high"}, "priority"),
        ({"kind": "fetch", "priority": 2**40}, "priority"),
        ({"kind": "fetch", "max_attempts": 0}, "max_attempts"),
        ({"kind": "fetch", "run_at": "tomorrow"}, "run_at"),
        ({"kind": "fetch", "payload": {"x": "y" * 300_000}}, "limit"),
        ([], "empty"),
        ([{"kind": "fetch"}, {"kind": "nobody"}], "job 2 of 2"),
        ([{"kind": "fetch"}] * 10_001, "10,000"),
        ("fetch", "object"),
    ],
)
async def test_a_request_that_is_wrong_is_refused_whole_and_says_where(
    client: httpx2.AsyncClient, body: Any, hint: str
) -> None:
    answer = await client.post("/api/jobs", json=body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].startswith("urn:quaero:")
    assert hint in answer.json()["detail"]
    assert (await get(client, "/api/jobs"))["total_count"] == 0


async def test_what_is_not_json_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/jobs", content=b"{kind", headers={"content-type": "application/json"})

    assert answer.status_code == 422


async def test_a_bulk_is_answered_with_its_ids_in_order(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/jobs", json=[{"kind": "fetch", "name": str(n)} for n in range(1_000)])

    ids = answer.json()["ids"]
    assert answer.status_code == 201
    assert len(set(ids)) == 1_000
    assert ids == sorted(ids, key=int)
    assert (await get(client, f"/api/jobs/{ids[41]}"))["name"] == "41"


async def test_the_same_idempotency_key_gets_the_first_answer_again(client: httpx2.AsyncClient) -> None:
    headers = {"idempotency-key": "order-7"}
    first = await client.post("/api/jobs", json={"kind": "fetch"}, headers=headers)
    again = await client.post("/api/jobs", json={"kind": "fetch"}, headers=headers)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (await get(client, "/api/jobs"))["total_count"] == 1


async def test_an_idempotency_key_of_another_request_is_a_conflict(client: httpx2.AsyncClient) -> None:
    headers = {"idempotency-key": "order-7"}
    await client.post("/api/jobs", json=[{"kind": "fetch"}] * 3, headers=headers)

    again = await client.post("/api/jobs", json=[{"kind": "fetch"}] * 3, headers=headers)
    single = await client.post("/api/jobs", json={"kind": "fetch"}, headers=headers)

    assert len(again.json()["ids"]) == 3
    assert single.status_code == 409
    assert (await get(client, "/api/jobs"))["total_count"] == 3


async def test_a_key_is_unique_among_open_roots_of_its_kind(client: httpx2.AsyncClient, submit: Submit) -> None:
    first = await submit(key="nightly")
    again = await client.post("/api/jobs", json={"kind": "fetch", "key": "nightly"})

    assert again.status_code == 200
    assert again.json()["id"] == first["id"]


async def test_lists_are_paged_by_cursor_and_by_offset_without_losing_one(
    client: httpx2.AsyncClient, submit: Submit
) -> None:
    ids = [(await submit())["id"] for _ in range(7)]

    pages, cursor = [], None
    while True:
        page = await get(client, "/api/jobs", limit=3, **({"cursor": cursor} if cursor else {}))
        assert page["total_count"] == 7
        pages += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    by_offset = await get(client, "/api/jobs", limit=3, offset=5, order="created_at")

    assert pages == ids[::-1]
    assert [job["id"] for job in by_offset["jobs"]] == ids[5:]


async def test_lists_are_filtered(client: httpx2.AsyncClient, submit: Submit, worker: Worker) -> None:
    await submit("parent", name="Mother", tags=["family"])
    failed = await submit(name="Lonely")
    by_id = {job.id: job for job in await worker.take(2)}
    await worker.finish(by_id[int(failed["id"])], "no")

    async def names(**query: str) -> list[str]:
        return [job["name"] for job in (await get(client, "/api/jobs", **query))["jobs"]]

    assert await names(kind="parent") == ["Mother"]
    assert await names(tag="family") == ["Mother"]
    assert await names(q="lone") == ["Lonely"]
    assert await names(status="failed,cancelled") == ["Lonely"]
    assert await names(status="completed") == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "status=done", "order=name", "colour=red", "cursor=x", "parent_id=me",
     "offset=-1", "limit=1&limit=2", "cursor=j7&offset=2"],
)  # fmt: skip
async def test_a_query_that_is_wrong_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"/api/jobs?{query}")

    assert answer.status_code == 422


@pytest.mark.parametrize("path", ["", "/children", "/tree", "/logs", "/errors"])
@pytest.mark.parametrize("job_id", ["999", "abc", "-1"])
async def test_an_id_that_names_nothing_is_not_found(client: httpx2.AsyncClient, path: str, job_id: str) -> None:
    answer = await client.get(f"/api/jobs/{job_id}{path}")

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:quaero:not-found"


async def test_paths_and_methods_that_do_not_exist_are_told_apart(client: httpx2.AsyncClient) -> None:
    missing = await client.get("/api/nothing")
    wrong = await client.put("/api/jobs", json={})

    assert missing.status_code == 404
    assert wrong.status_code == 405
    assert (await client.get("/api/jobs/bulk")).status_code == 405
    assert wrong.headers["allow"] == "GET, HEAD, POST"


async def test_head_answers_like_get_without_a_body(client: httpx2.AsyncClient) -> None:
    head, whole = await client.head("/api/jobs"), await client.get("/api/jobs")

    assert head.content == b""
    assert head.headers["content-length"] == str(len(whole.content))


async def test_a_parents_children_are_counted_listed_and_named_by_step(
    client: httpx2.AsyncClient, store: SqlStore, worker: Worker
) -> None:
    root = await store.write(run_definition, parse(NEWS))
    (step,) = await worker.take()
    children = [Child("fetch", b"{}") for _ in range(3)]
    await worker.tell(Spawned(step.id, step.epoch, 0, children))
    await worker.finish(step)
    first, second, _third = await worker.take(3)
    await worker.finish(first)
    await worker.finish(second, "no such page 404")

    shown = await get(client, f"/api/jobs/{root}")
    tree = await get(client, f"/api/jobs/{root}/tree")
    listed = await get(client, f"/api/jobs/{step.id}/children", order="created_at")
    errors = await get(client, f"/api/jobs/{root}/errors")

    assert shown["progress_text"] == "1 pending, 0 running, 1 completed, 1 failed"
    assert [one["name"] for one in shown["steps"]] == ["crawl", "tell"]
    assert [one["name"] for one in tree["steps"]] == ["crawl", "tell"]
    summary = tree["steps"][0]["child_summary"]
    assert (summary["total"], summary["pending"], summary["completed"], summary["failed"]) == (3, 1, 1, 1)
    assert summary["error_groups"] == [{"message": "no such page 404", "count": 1, "example_job_id": str(second.id)}]
    assert tree["steps"][0]["expanded"] is True
    assert tree["steps"][1]["expanded"] is False
    assert [job["status"] for job in listed["jobs"]] == ["completed", "failed", "pending"]
    assert {job["step"] for job in listed["jobs"]} == {"crawl"}
    assert [(group["message"], group["count"]) for group in errors["errors"]] == [("no such page 404", 1)]
    assert errors["errors"][0]["example_job_ids"] == [str(second.id)]


@pytest.mark.parametrize("payload", [[1], "text", 7, None])
async def test_a_payload_that_is_no_object_is_refused(client: httpx2.AsyncClient, payload: object) -> None:
    answer = await client.post("/api/jobs", json={"kind": "fetch", "payload": payload})

    assert answer.status_code == 422
    assert "must be an object" in answer.json()["detail"]


async def test_logs_are_read_whole_from_both_ends(client: httpx2.AsyncClient, submit: Submit, worker: Worker) -> None:
    job_id = (await submit())["id"]
    (job,) = await worker.take()
    await worker.log(job, *[f"line {n}" for n in range(20)])
    await worker.finish(job)

    async def whole(order: str) -> list[int]:
        seen: list[int] = []
        cursor = None
        while True:
            query: dict[str, str] = {"cursor": cursor} if cursor else {}
            page = await get(client, f"/api/jobs/{job_id}/logs", order=order, limit=7, **query)
            seen += [entry["seq"] for entry in page["logs"]]
            cursor = page["next_cursor"]
            if cursor is None or not page["logs"]:
                return seen

    forward, back = await whole("asc"), await whole("desc")
    assert forward == list(range(1, len(forward) + 1))
    assert back == forward[::-1]
    assert len(forward) > 20


async def test_a_page_of_a_log_goes_on_in_both_directions_without_hole_or_repeat(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    logs = f"/api/jobs/{(await submit())['id']}/logs"
    (job,) = await worker.take()
    await worker.log(job, *[f"line {n}" for n in range(20)])
    whole = [entry["seq"] for entry in (await get(client, logs, order="asc"))["logs"]]

    for start in whole:
        page = await get(client, logs, order="asc", from_seq=start, limit=5)
        back = await get(client, logs, cursor=page["prev_cursor"]) if page["prev_cursor"] else {"logs": []}
        joined = [entry["seq"] for entry in [*reversed(back["logs"]), *page["logs"]]]
        assert joined == whole[: len(joined)]
        assert start in joined

    newest = await get(client, logs, limit=3)
    await worker.log(job, "later")
    after = await get(client, logs, order="asc", cursor=newest["prev_cursor"])
    assert (newest["oldest"], newest["head"]) == (whole[0], whole[-1])
    assert [entry["message"] for entry in after["logs"]] == ["later"]


async def test_a_childs_end_is_told_with_the_counts_in_its_parents_log_and_plainly_in_its_own(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    parent_id = (await submit("parent"))["id"]
    (parent,) = await worker.take()
    await worker.tell(Spawned(parent.id, parent.epoch, 0, [Child("fetch", b"{}") for _ in range(3)]))
    (child,) = await worker.take()
    await worker.finish(child)

    theirs = await get(client, f"/api/jobs/{parent_id}/logs", order="asc")
    own = await get(client, f"/api/jobs/{child.id}/logs", order="asc")

    told = [entry["message"] for entry in theirs["logs"] if entry["job_id"] == str(child.id)]
    assert told[-1] == f"Child job {child.id} → completed. 2 pending, 0 running, 1 completed, 0 failed"
    assert own["logs"][-1]["message"] == "Status changed: completed"


async def test_logs_are_filtered_and_counted(client: httpx2.AsyncClient, submit: Submit, worker: Worker) -> None:
    job_id = (await submit())["id"]
    (job,) = await worker.take()
    await worker.log(job, "all is well", "well, well")
    await worker.log(job, "ALARM in well 7", level=3)

    found = await get(client, f"/api/jobs/{job_id}/logs", q="WELL", level="info", order="asc")
    loud = await get(client, f"/api/jobs/{job_id}/logs", level="err")
    later = await get(client, f"/api/jobs/{job_id}/logs", order="asc", from_line=3, include_children=False)

    assert [entry["message"] for entry in found["logs"]] == ["all is well", "well, well", "ALARM in well 7"]
    assert (found["count"], found["total_count"], found["total_is_lower_bound"]) == (3, 3, False)
    assert [entry["message"] for entry in loud["logs"]] == ["ALARM in well 7"]
    assert later["logs"][0]["line_number"] == 3


async def test_a_cursor_of_another_store_starts_the_log_again_and_says_so(
    client: httpx2.AsyncClient, submit: Submit
) -> None:
    job_id = (await submit())["id"]

    page = await get(client, f"/api/jobs/{job_id}/logs", cursor=f"elsewhere.{job_id}.5", order="asc")

    assert page["mode"] == "reset"


async def test_a_step_that_does_not_exist_is_not_found_and_the_steps_are_named(
    client: httpx2.AsyncClient, store: SqlStore
) -> None:
    root = await store.write(run_definition, parse(NEWS))

    answer = await client.get(f"/api/jobs/{root}/logs", params={"step": "craw"})

    assert answer.status_code == 404
    assert "crawl, tell" in answer.json()["detail"]


async def test_cancelling_is_idempotent_and_a_finished_job_cannot_be_cancelled(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    cancelled, finished = (await submit())["id"], (await submit())["id"]

    first = await client.post(f"/api/jobs/{cancelled}/cancel")
    again = await client.post(f"/api/jobs/{cancelled}/cancel", json={})
    await worker.finish((await worker.take())[0])
    late = await client.post(f"/api/jobs/{finished}/cancel")

    assert (first.json()["affected"], first.json()["job"]["status"]) == (1, "cancelled")
    assert (again.status_code, again.json()["affected"]) == (200, 0)
    assert late.status_code == 409
    assert "completed" in late.json()["detail"]


async def test_a_failed_job_is_retried_in_a_new_round_and_rerun_as_a_new_tree(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    job_id = (await submit())["id"]
    await worker.finish((await worker.take())[0], "no")

    retried = await client.post(f"/api/jobs/{job_id}/retry")
    again = await client.post(f"/api/jobs/{job_id}/rerun")
    unknown = await client.post(f"/api/jobs/{job_id}/retry", json={"failed": True})

    assert retried.json()["job"]["round"] == 2
    assert retried.json()["job"]["status"] == "pending"
    assert again.status_code == 201
    assert again.json()["job"]["id"] != job_id
    assert unknown.status_code == 422


async def test_a_deleted_tree_is_gone_at_once(client: httpx2.AsyncClient, submit: Submit, worker: Worker) -> None:
    job_id = (await submit())["id"]
    early = await client.delete(f"/api/jobs/{job_id}")
    await worker.finish((await worker.take())[0])

    done = await client.delete(f"/api/jobs/{job_id}")
    after = await client.get(f"/api/jobs/{job_id}")

    assert (early.status_code, done.status_code, after.status_code) == (409, 200, 404)
    assert (await get(client, "/api/jobs"))["jobs"] == []


async def test_the_queue_is_counted_exactly(client: httpx2.AsyncClient, submit: Submit, worker: Worker) -> None:
    for _ in range(3):
        await submit()
    await worker.finish((await worker.take())[0])

    stats = await get(client, "/api/queue/stats")

    assert (stats["pending"], stats["completed"], stats["failed"]) == (2, 1, 0)
    assert [one["host"] for one in stats["workers"]] == ["host"]


async def test_what_each_worker_runs_is_told(client: httpx2.AsyncClient, submit: Submit, worker: Worker) -> None:
    await submit()
    named = await submit(name="the first page")
    jobs = await worker.take(2)
    await worker.log(jobs[1], "at work")

    [told] = (await get(client, "/api/workers"))["workers"]

    assert (told["worker"]["host"], told["worker"]["state"], told["running"]) == ("host", "live", 1)
    assert [(job["id"], job["name"]) for job in told["jobs"]] == [(named["id"], "the first page")]


async def test_how_the_queue_went_is_told_by_every_gateway(
    client: httpx2.AsyncClient, gateway: Gateway, store: SqlStore, submit: Submit, worker: Worker
) -> None:
    await submit()
    await worker.finish((await worker.take())[0])

    told = await get(client, "/api/queue/history")
    other = await get_history(Gateway(store, gateway.version))

    times = [parse_time(moment["timestamp"]) for moment in told["moments"]]
    assert (len(times), told["interval_ms"]) == (60, 10_000)
    assert {after - before for before, after in pairwise(times)} == {10_000_000}
    assert set(told["moments"][0]) == {"timestamp", "throughput", "latency"}
    assert other.moments[0].timestamp in [moment["timestamp"] for moment in told["moments"][:2]]


async def test_probes_and_version(client: httpx2.AsyncClient, gateway: Gateway, store: SqlStore) -> None:
    assert (await get(client, "/api/health")) == {"status": "ok"}
    assert (await get(client, "/api/ready")) == {"status": "ready"}
    assert (await get(client, "/api/version"))["incarnation"] == store.incarnation
    assert (await get(client, "/api/version"))["version"] == "1.2.3"


async def test_while_draining_reads_go_on_and_mutations_are_sent_away(
    client: httpx2.AsyncClient, gateway: Gateway
) -> None:
    gateway.draining = True

    refused = await client.post("/api/jobs", json={"kind": "fetch"})
    ready = await client.get("/api/ready")

    assert (refused.status_code, ready.status_code) == (503, 503)
    assert refused.headers["retry-after"] == "2"
    assert (await get(client, "/api/jobs"))["jobs"] == []


async def test_a_closed_store_is_told_as_a_problem_that_passes(
    client: httpx2.AsyncClient, gateway: Gateway, tmp_path: Path
) -> None:
    gateway.store = SqlStore.open(f"sqlite:///{tmp_path}/closed.db")
    await gateway.store.close()

    answer = await client.post("/api/jobs", json={"kind": "fetch"})

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:quaero:store-unavailable"
    assert answer.headers["retry-after"] == "1"


async def test_many_at_once_are_all_accepted(client: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/api/jobs", json={"kind": "fetch"}) for _ in range(100)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 100


async def test_no_route_of_the_router_answers_another_site(client: httpx2.AsyncClient) -> None:
    for route in ROUTES:
        path = route.path.replace("{id}", "1")
        answer = await client.request(route.method, path, headers={"origin": "https://evil.example"})
        rebound = await client.request(route.method, path, headers={"host": "evil.example:8080"})
        assert (answer.status_code, rebound.status_code) == (403, 421), route.path


async def test_an_offset_is_counted_among_what_the_filter_keeps(client: httpx2.AsyncClient, submit: Submit) -> None:
    ids = [(await submit(tags=["even"] if n % 2 == 0 else []))["id"] for n in range(8)]

    plain = await get(client, "/api/jobs", offset=3, limit=2, order="created_at")
    tagged = await get(client, "/api/jobs", offset=2, limit=5, order="created_at", tag="even")

    assert [job["id"] for job in plain["jobs"]] == ids[3:5]
    assert [job["id"] for job in tagged["jobs"]] == [ids[4], ids[6]]
