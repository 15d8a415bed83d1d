"""A worker that was stopped past its lease and goes on writes nothing: the fence, with real processes."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.harness.stage import PATIENCE, Stage, staged
from tests.chaos.harness.system import Found, gone

from quaero.domain.status import JobStatus
from quaero.storage.sqlstore import is_postgres

pytestmark = pytest.mark.anyio
LEFT = "the worker lost its lease"  # how a supervisor tells exit code 75


async def test_a_worker_stopped_past_its_lease_writes_nothing_after_it_goes_on(
    store_url: str | None, tmp_path: Path
) -> None:
    # the supervisor ends a silent worker after a lease and a grace; here the fence alone is to be seen
    async with staged(tmp_path, url=store_url, lease=2.0, heartbeat=0.3, grace=60.0) as stage:
        stage.system.start(["work"])
        await stage.ready()
        talkers = await stage.enqueue("chatter", {"seconds": 6.0}, 10, max_attempts=5)
        await stage.begun(*talkers)
        [stopped] = stage.system.processes("worker")
        theirs = {one.pid for one in stage.system.processes("executor")}
        await stop_between_commits(stage, stopped)

        await stage.until(lambda: gone(theirs), "its executors are gone, though it cannot end them", 4.0)
        stage.system.start(["work"])
        await stage.quiet()
        before = await everything(stage)
        assert LEFT not in stage.system.log_tail()
        os.kill(stopped.pid, signal.SIGCONT)
        await stage.until(lambda: LEFT in stage.system.log_tail(), "it left with code 75")

        assert gone({stopped.pid})
        assert await everything(stage) == before
        tries = stage.marks().tries
        assert all(len(tries[job_id]) == 2 for job_id in talkers), "each was begun by both workers"
        verdict = stage.judge(whole_trees=False)
        assert not verdict.faults, verdict.faults
        assert {(await stage.job(job_id)).status for job_id in talkers} == {JobStatus.COMPLETED}


async def stop_between_commits(stage: Stage, worker: Found) -> None:
    """Stop the worker while it does not hold a file's write lock: with the lock it would stop everyone.

    PostgreSQL ends the transaction of one that stands still, so there any moment will do.
    """
    if is_postgres(stage.system.url):
        os.kill(worker.pid, signal.SIGSTOP)
        return
    lock = os.stat(f"{stage.system.place}/quaero.db.write").st_ino

    async def is_stopped_free() -> bool:
        os.kill(worker.pid, signal.SIGSTOP)
        held = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        if any(line[-4] == str(worker.pid) and line[-3].endswith(f":{lock}") for line in held):
            os.kill(worker.pid, signal.SIGCONT)
            return False
        return True

    await stage.until(is_stopped_free, "the worker is stopped between two commits", PATIENCE)


async def everything(stage: Stage) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables about jobs, whole."""
    tables = {
        "job": "select * from job where id > 0 order by id",
        "run": "select * from run where root_id > 0 order by root_id, first",
        "block": "select * from block where id in (select block_id from run where root_id > 0) order by id",
        **{name: f"select * from {name} order by 1, 2" for name in ("lane", "limits", "delivery", "error_group")},
        "counter": "select sum(pending), sum(running), sum(waiting), sum(completed), sum(failed) from counter",
    }
    return {name: await stage.store.rows(sql) for name, sql in tables.items()}
