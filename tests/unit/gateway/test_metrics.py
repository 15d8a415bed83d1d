"""`/metrics`: what a scrape finds, and what it never finds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import Submit, Worker

pytestmark = pytest.mark.anyio


async def scrape(client: httpx2.AsyncClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    samples = [sample for family in read(answer.text) for sample in family.samples]
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}


async def test_a_scrape_finds_the_queue_the_workers_and_the_process(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    await submit()
    await submit()
    [job] = await worker.take(1)
    await worker.finish(job)

    found = await scrape(client)

    assert found["quaero_jobs", (("status", "pending"),)] == 1
    assert found["quaero_jobs", (("status", "completed"),)] == 1
    assert found["quaero_workers", (("state", "live"),)] == 1
    assert found["quaero_viewers", (("sort", "stream"),)] == 0
    assert found["quaero_flush_interval_seconds", ()] == 0.15
    assert found["quaero_store_commits_total", ()] >= 4
    assert found["quaero_start_latency_seconds", (("quantile", "0.5"),)] >= 0
    assert found["process_resident_memory_bytes", ()] > 0


async def test_requests_are_counted_and_timed_by_their_declared_path(
    client: httpx2.AsyncClient, submit: Submit
) -> None:
    job = await submit()
    for name in (job["id"], "999", "888"):
        await client.get(f"/api/jobs/{name}")
    await client.get("/nowhere")

    found = await scrape(client)

    route = (("method", "GET"), ("path", "/api/jobs/{id}"))
    assert found["quaero_requests_total", (*route, ("status", "200"))] == 1
    assert found["quaero_requests_total", (*route, ("status", "404"))] == 2
    assert found["quaero_request_seconds_count", route] == 3
    assert not any("nowhere" in str(labels) or "999" in str(labels) for _, labels in found)


async def test_a_scraper_may_ask_for_openmetrics(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert {family.name for family in read_openmetrics(answer.text)} >= {"quaero_jobs", "quaero_requests"}


async def test_every_metric_is_in_the_reference_and_no_other(client: httpx2.AsyncClient, worker: Worker) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/reference/rest.md").read_text()
    answer = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    scraped = {family.name for family in read_openmetrics(answer.text) if family.name.startswith("quaero")}

    assert scraped | {"quaero_start_latency_seconds"} == set(re.findall(r"`(quaero_[a-z_]+)`", page))
