"""I12: no process of ours, and none that a job started, outlives its lease and grace, whoever was killed."""

from pathlib import Path

import pytest
from tests.chaos.harness.stage import staged
from tests.chaos.harness.system import TOKEN

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["programs", "command"])
@pytest.mark.parametrize(
    "victims",
    [
        ("executor",),
        ("worker",),
        ("supervisor",),
        ("worker", "executor"),
        ("supervisor", "worker", "executor", "gateway"),
    ],
    ids="+".join,
)
async def test_nothing_outlives_its_lease(
    store_url: str | None, tmp_path: Path, victims: tuple[str, ...], kind: str
) -> None:
    async with staged(tmp_path, url=store_url, lease=2.0, heartbeat=0.4, grace=1.0) as stage:
        stage.system.start(["up", "--port", "0"])
        await stage.ready()
        if kind == "programs":
            [job_id] = await stage.enqueue("programs", {"seconds": 600.0}, max_attempts=1)
            await stage.begun(job_id)
        else:
            await stage.enqueue(
                "command",
                {"command": "sleep 601 & sleep 600; true", "env": {TOKEN: stage.system.token}},
                max_attempts=1,
            )
        await stage.until(lambda: len(stage.system.processes("program")) >= 2, "both programs run")
        programs = {one.pid for one in stage.system.processes("program")}
        # of the executors, the one that runs the programs
        shot = [one for one in stage.system.processes(*victims) if one.role != "executor" or "executor" in victims]

        stage.system.kill(*(one.pid for one in shot))

        gone = {*programs, *(one.pid for one in shot)}
        await stage.until(
            lambda: not gone & {one.pid for one in stage.system.processes()},
            "everything that belonged to the killed is gone",
            seconds=stage.system.lease + stage.system.grace,
        )
