"""Celery's side: a no-op task, results and rate limits off, Redis in between."""

import os

from celery import Celery  # type: ignore[import-untyped,import-not-found,unused-ignore]

from bench import probe

app = Celery("bench", broker=os.environ["BENCH_REDIS"])
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "4")),
    worker_disable_rate_limits=True,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop", ignore_result=True)  # type: ignore[untyped-decorator,unused-ignore]
def noop() -> None:
    """Nothing."""
    probe.hit()
