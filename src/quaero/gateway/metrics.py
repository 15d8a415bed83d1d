"""`/metrics`: the queue, this process and what it serves, for Prometheus.

No label is ever a job's id or anything else a user may choose: a label with many values costs whoever scrapes it. The
library comes in when somebody scrapes first; nobody else pays for its import.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from quaero.domain.status import STATUSES
from quaero.gateway.answers import Answer
from quaero.gateway.requests import BOUNDS
from quaero.gateway.routing import Headers, Media, Routes
from quaero.gateway.state import Gateway
from quaero.storage.port import Stats

if TYPE_CHECKING:
    from prometheus_client.core import Metric

routes = Routes()


class _Readings:
    """What was read for one scrape, in the form the library asks for."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        return self._metrics


@routes.get("/metrics", answers={200: Media("text/plain", also=("application/openmetrics-text",))})
async def get_metrics(gateway: Gateway, headers: Headers) -> Answer:
    """The queue, this process and what it serves, in the text format of Prometheus or as OpenMetrics."""
    stats = await gateway.store.stats()
    accept = headers.get(b"accept", b"").decode("latin-1")
    body, content_type = await asyncio.to_thread(_written, gateway, stats, accept)
    return Answer(body, content_type=content_type.encode())


def _written(gateway: Gateway, stats: Stats, accept: str) -> tuple[bytes, str]:
    from prometheus_client import PROCESS_COLLECTOR, CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    encode, content_type = choose_encoder(accept)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PROCESS_COLLECTOR)
    registry.register(_Readings([*_queue(stats), *_process(gateway)]))
    return encode(registry), content_type


def _queue(stats: Stats) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    jobs = GaugeMetricFamily("quaero_jobs", "Jobs in the store by status", labels=["status"])
    for status in STATUSES:
        jobs.add_metric([status.word], stats.counts[status])
    yield jobs
    yield GaugeMetricFamily(
        "quaero_finished_jobs_per_second", "Jobs finished per second over the last minute", stats.throughput
    )
    if stats.latency is not None:
        started = GaugeMetricFamily(
            "quaero_start_latency_seconds", "From ready to start, of the last minute", labels=["quantile"]
        )
        started.add_metric(["0.5"], stats.latency.p50 / 1e6)
        started.add_metric(["0.95"], stats.latency.p95 / 1e6)
        started.add_metric(["1"], stats.latency.most / 1e6)
        yield started
    workers = GaugeMetricFamily("quaero_workers", "Worker processes with a lease, by state", labels=["state"])
    for state in ("live", "draining"):
        workers.add_metric([state], sum(worker.state == state for worker in stats.workers))
    yield workers


def _process(gateway: Gateway) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily

    yield InfoMetricFamily("quaero_build", "Which Quaero this is", {"version": gateway.version})
    yield GaugeMetricFamily("quaero_up_seconds", "Age of this process", _age(gateway))
    yield GaugeMetricFamily("quaero_draining", "Whether this process takes nothing new", int(gateway.draining))
    yield CounterMetricFamily("quaero_store_commits", "Commits of this process", gateway.store.commits)
    viewers = GaugeMetricFamily("quaero_viewers", "Who watches: streams and sockets", labels=["sort"])
    for sort, n in gateway.viewers.by_sort().items():
        viewers.add_metric([sort], n)
    yield viewers
    yield GaugeMetricFamily("quaero_watched_trees", "Trees somebody watches here", gateway.feed.watched)
    yield GaugeMetricFamily(
        "quaero_flush_interval_seconds", "From one flush of a busy tree to the next", gateway.feed.pace.interval
    )
    answered = CounterMetricFamily("quaero_requests", "Requests answered", labels=["method", "path", "status"])
    took = HistogramMetricFamily("quaero_request_seconds", "Time to an answer", labels=["method", "path"])
    for (method, path), timing in sorted(gateway.requests.by_route.items()):
        for status, n in sorted(timing.by_status.items()):
            answered.add_metric([method, path, str(status)], n)
        bounds = [*map(str, BOUNDS), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(timing.buckets)), strict=True))
        took.add_metric([method, path], buckets, timing.seconds)
    yield answered
    yield took


def _age(gateway: Gateway) -> float:
    return (gateway.clock.now() - gateway.started_at) / 1e6
