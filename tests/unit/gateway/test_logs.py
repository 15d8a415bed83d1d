"""Logs by page, over several counters at once, and as text."""

from typing import Any

import httpx2
import msgspec
import pytest

from quaero.domain.entries import Line
from quaero.domain.facts import Child, Lines, Spawned
from quaero.domain.job import Job
from quaero.gateway.state import Gateway

from .conftest import Submit, Worker

pytestmark = pytest.mark.anyio


@pytest.fixture
async def job(submit: Submit, worker: Worker) -> Job:
    """A running job with thirty lines; every tenth is an error."""
    await submit()
    [job] = await worker.take()
    for n in range(30):
        await worker.log(job, f"line {n} of Zoë", level=3 if n % 10 == 9 else 1)
    return job


async def read(client: httpx2.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_whole_tree_reads_forward(client: httpx2.AsyncClient, job: Job) -> None:
    page = await read(client, f"/api/jobs/{job.id}/logs/aggregated", limit=20)
    assert [entry["seq"] for entry in page["logs"]] == list(range(1, 21))

    rest = await read(client, f"/api/jobs/{job.id}/logs/aggregated", cursor=page["next_cursor"])
    assert [entry["seq"] for entry in rest["logs"]] == list(range(21, 32))


async def test_a_scope_reads_backward_from_info_up(client: httpx2.AsyncClient, worker: Worker, job: Job) -> None:
    await worker.log(job, "quiet", level=0)
    page = await read(client, "/api/logs", scope="job", job_id=job.id, limit=2)
    assert [entry["message"] for entry in page["logs"]] == ["line 29 of Zoë", "line 28 of Zoë"]
    assert "steps" not in page


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"scope": "job"}, 422),
        ({"scope": "job", "job_id": "x"}, 422),
        ({"scope": "job", "job_id": "99"}, 404),
        ({"step": "a"}, 422),
        ({"limit": 501}, 422),
        ({"scope": "other"}, 422),
        ({"levle": "info"}, 422),
        ({}, 200),
    ],
)
async def test_a_scope_must_be_one(client: httpx2.AsyncClient, query: dict[str, str], status: int) -> None:
    assert (await client.get("/api/logs", params=query)).status_code == status


async def test_search_finds_whatever_the_case_and_beyond_ascii(client: httpx2.AsyncClient, job: Job) -> None:
    for text in ("LINE 7 OF ZOË", "line 7 of zo", "zoË"):
        page = await read(client, f"/api/jobs/{job.id}/logs", q=text)
        assert len(page["logs"]) == (1 if "7" in text else 30)
        assert page["total_count"] == page["count"]


async def test_search_looks_into_what_quaero_itself_wrote(client: httpx2.AsyncClient, job: Job) -> None:
    page = await read(client, f"/api/jobs/{job.id}/logs", q="STATUS CHANGED")
    assert [entry["message"] for entry in page["logs"]] == ["Status changed: running"]


async def test_a_count_never_says_less_than_the_page_shows(client: httpx2.AsyncClient, job: Job) -> None:
    page = await read(client, f"/api/jobs/{job.id}/logs", level="error", limit=2)
    assert (page["count"], page["total_count"], page["total_is_lower_bound"]) == (2, 3, False)


async def test_a_line_number_is_found_among_those_of_others(
    client: httpx2.AsyncClient, worker: Worker, submit: Submit
) -> None:
    await submit("parent")
    [parent] = await worker.take()
    await worker.log(parent, "first")
    for n in range(40):
        lines = [Line(parent.created_at, 1, f"{n}.{i}") for i in range(5)]
        body = msgspec.msgpack.encode(lines)
        await worker.tell(Lines(parent.id, parent.epoch, 5, 2, parent.created_at, parent.created_at, body))
    page = await read(client, f"/api/jobs/{parent.id}/logs", include_children=False, from_line=101, limit=3)
    assert [entry["line_number"] for entry in page["logs"]] == [101, 102, 103]


async def test_all_of_it_as_text(client: httpx2.AsyncClient, worker: Worker, job: Job, gateway: Gateway) -> None:
    await worker.log(job, "evil \x1b[2J\rforged")

    answer = await client.get(f"/api/jobs/{job.id}/logs/download")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="job-{job.id}.log"'
    lines = answer.text.splitlines()
    assert len(lines) == 32
    assert lines[10].endswith(f"ERROR job {job.id}: line 9 of Zoë")
    assert lines[-1].endswith("evil forged")


async def test_text_of_a_level(client: httpx2.AsyncClient, job: Job) -> None:
    answer = await client.get(f"/api/jobs/{job.id}/logs/download?level=error")
    assert len(answer.text.splitlines()) == 3


async def six_children(submit: Submit, worker: Worker) -> tuple[Job, list[Job]]:
    """A parent and its children, each of which says a line; the second has a child of its own that says one too."""
    await submit("parent")
    [parent] = await worker.take()
    await worker.tell(Spawned(parent.id, parent.epoch, 0, [Child("fetch", b"{}") for _ in range(6)]))
    children = await worker.take(6)
    await worker.tell(Spawned(children[1].id, children[1].epoch, 0, [Child("fetch", b"{}")]))
    [deeper] = await worker.take()
    for job in (*children, deeper):
        await worker.log(job, f"says {job.id}")
    return parent, [*children, deeper]


async def test_some_children_are_read_with_all_that_is_below_them(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    parent, jobs = await six_children(submit, worker)
    chosen = f"{jobs[1].id}..{jobs[3].id}"
    wanted = [f"says {job.id}" for job in (jobs[1], jobs[2], jobs[3], jobs[6])]

    page = await read(client, f"/api/jobs/{parent.id}/logs", children=chosen, level="info", order="asc")
    back = await read(client, "/api/logs", scope="job", job_id=parent.id, children=chosen, limit=1)
    rest = await read(
        client, "/api/logs", scope="job", job_id=parent.id, children=chosen, cursor=back["next_cursor"], limit=50
    )
    whole = await read(client, f"/api/jobs/{parent.id}/logs/aggregated", children=chosen, q="says")
    text = (await client.get(f"/api/jobs/{parent.id}/logs/download", params={"children": chosen})).text

    said = [entry["message"] for entry in page["logs"] if entry["message"].startswith("says")]
    assert said == wanted == [entry["message"] for entry in whole["logs"]]
    assert [entry["message"] for entry in (*back["logs"], *rest["logs"])][: len(wanted)] == wanted[::-1]
    assert [line.rpartition(": ")[2] for line in text.splitlines() if ": says" in line] == wanted


@pytest.mark.parametrize("children", ["", "8", "8..", "15..8", "a..b", "8..9..10"])
async def test_children_that_make_no_sense_are_refused(client: httpx2.AsyncClient, job: Job, children: str) -> None:
    answer = await client.get(f"/api/jobs/{job.id}/logs", params={"children": children})

    assert answer.status_code == 422
    assert "8..15" in answer.json()["detail"]


async def test_children_that_are_not_there_have_no_log(client: httpx2.AsyncClient, job: Job) -> None:
    page = await read(client, f"/api/jobs/{job.id}/logs", children="900..999")

    assert (page["logs"], page["total_count"], page["next_cursor"]) == ([], 0, None)


async def test_children_come_with_what_is_below_them_and_not_without_a_job(
    client: httpx2.AsyncClient, job: Job
) -> None:
    alone = {"children": "1..2", "include_children": "false"}
    assert (await client.get(f"/api/jobs/{job.id}/logs", params=alone)).status_code == 422
    assert (await client.get("/api/logs", params={"children": "1..2"})).status_code == 422
