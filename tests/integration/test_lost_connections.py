"""The connections to PostgreSQL break again and again under load: nothing is lost, nothing happens twice."""

import asyncio
from functools import partial
from pathlib import Path

import psycopg
import pytest
from tests import postgres
from tests.integration.engine import STORES, running, settings_for, status

from quaero.domain.status import JobStatus
from quaero.storage.port import JobFilter

pytestmark = pytest.mark.anyio
CHILDREN = 3_000
BREAKS = 15


@pytest.mark.parametrize("kind_of_store", ["postgres"], indirect=True)
async def test_a_fan_out_survives_its_connections(tmp_path: Path) -> None:
    def break_all() -> None:
        with psycopg.connect(postgres.server(), autocommit=True) as db:
            name = STORES[tmp_path].rpartition("/")[2].partition("?")[0]
            db.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))

    async with running(settings_for(tmp_path, executors=2, lease=20.0), workers=2) as engine:
        root = await engine.submit("parent", {"n": CHILDREN})

        async def done(share: int) -> bool:
            job = await engine.job(root)
            return job.tally.completed >= share or job.is_terminal

        for n in range(BREAKS):
            share = CHILDREN * n // (2 * BREAKS)
            await engine.until(partial(done, share), f"{share} children")
            await asyncio.to_thread(break_all)

        job = await engine.ended(root)
        assert (status(job), job.tally.completed, job.tally.total) == ("completed", CHILDREN, CHILDREN)
        twice = await engine.store.jobs(JobFilter(parent_id=root, statuses=(JobStatus.FAILED,)))
        assert twice.total == 0
