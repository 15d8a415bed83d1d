"""A short storm in every test run; the long ones are `make chaos`."""

from pathlib import Path

import pytest
from tests.chaos.harness.stage import staged
from tests.chaos.harness.storm import Storm, run_storm
from tests.chaos.harness.system import gone
from tests.chaos.harness.workload import Workload

pytestmark = pytest.mark.anyio


async def test_a_few_random_kills_lose_nothing(tmp_path: Path) -> None:
    verdict = await run_storm(Storm(seed=3, jobs=500, kills=6, pause=1.0), tmp_path)

    assert not verdict.faults, verdict.faults
    assert verdict.jobs >= 500


@pytest.mark.parametrize("fault", ["commit.before=kill@6", "round.after_write=kill@4", "executor.before_ended=kill@5"])
async def test_a_fault_in_the_worst_place_costs_nothing_but_time(fault: str, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.system.start(["work"], QUAERO_FAILPOINTS=f"{fault}:{tmp_path}/fired")
        await stage.ready()
        load = Workload(stage.store, seed=1, width=3, leaves=10, work=0.05, failing=0.0)
        await load.plant()
        await stage.quiet()

        assert (tmp_path / "fired").exists()
        assert not (verdict := stage.judge()).faults, verdict.faults
        assert verdict.statuses == {"completed": load.tree}


async def test_nothing_a_killed_worker_had_started_survives_it(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.system.start(["work"])
        await stage.ready()
        [job_id] = await stage.enqueue("programs", {"seconds": 600.0})
        await stage.begun(job_id)
        await stage.until(lambda: len(stage.system.processes("program")) >= 2, "both programs run")
        theirs = {one.pid for one in stage.system.processes("program", "executor", "worker")}

        stage.system.kill(*(one.pid for one in stage.system.processes("worker")))

        await stage.until(lambda: gone(theirs), "they are gone", stage.system.lease + stage.system.grace)
