"""A store that cannot be written for a while delays the work; nothing ends for good and nothing is lost."""

import time
from pathlib import Path

import anyio
import apsw
import pytest
from tests.chaos.harness.stage import staged
from tests.chaos.harness.workload import Workload

from quaero.storage.sqlitetrouble import BUSY_MS

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("lease", "is_killed"), [(2.0, False), (15.0, False), (15.0, True)])
async def test_another_program_that_holds_the_store_only_delays(tmp_path: Path, lease: float, is_killed: bool) -> None:
    async with staged(tmp_path, lease=lease, heartbeat=0.4) as stage:
        supervisor = stage.system.start(["up", "--port", "0"])
        await stage.ready()
        load = Workload(stage.store, seed=2, width=6, leaves=20, work=0.3, failing=0.0)
        await load.plant(2)
        stage.accepted += load.accepted
        await stage.begun(load.accepted[0])

        stage.system.kill(*(one.pid for one in stage.system.processes("worker") if is_killed))
        held = time.monotonic()
        await anyio.to_thread.run_sync(hold, tmp_path / "quaero.db", BUSY_MS / 1e3 + 3)

        assert time.monotonic() - held > BUSY_MS / 1e3
        await stage.quiet()
        assert supervisor.poll() is None, "the supervisor stayed"
        verdict = stage.judge()
        assert not verdict.faults, verdict.faults
        assert verdict.statuses == {"completed": 2 * load.tree}


def hold(database: Path, seconds: float) -> None:
    """Hold the write lock as a program would that does not queue with us."""
    db = apsw.Connection(str(database))
    db.set_busy_timeout(60_000)
    db.execute("begin immediate")
    time.sleep(seconds)
    db.execute("rollback")
    db.close()
