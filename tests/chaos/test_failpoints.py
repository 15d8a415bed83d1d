"""Every failpoint, killed, hung and raised in once, under a small workload: everything recovers, nothing is lost.

The fault happens in whichever process passes first; children of the same supervisor that come after are spared, so
what is tested is the way back, not a fault that never ends.
"""

import random
import socket
from functools import partial
from pathlib import Path

import aiohttp
import anyio
import pytest
from tests.chaos.harness.stage import Stage, staged
from tests.chaos.harness.workload import Workload

from quaero.domain.status import JobStatus
from quaero.failpoints import POINTS

pytestmark = pytest.mark.anyio
ACTIONS = ("kill", "hang", "raise")
OFTEN = {"commit", "round", "executor"}  # passed many times: which pass is left to the dice


def nth_pass(point: str, action: str) -> int:
    """Which pass of a point is the fault's, the same in every run of the test."""
    return random.Random(f"{point} {action}").randint(1, 6) if point.partition(".")[0] in OFTEN else 1


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("point", POINTS)
async def test_everything_recovers_from_a_fault_at(
    point: str, action: str, store_url: str | None, tmp_path: Path
) -> None:
    fired = tmp_path / "fired"
    port = free_port()
    async with staged(tmp_path, url=store_url, lease=2.0, heartbeat=0.3, grace=1.0) as stage:
        spec = f"{point}={action}@{nth_pass(point, action)}:{fired}"
        stage.system.start(["up", "--port", str(port)], QUAERO_FAILPOINTS=spec, CHAOS_TIMEOUT="4s")
        await stage.ready()
        load = Workload(stage.store, seed=1, width=5, leaves=10, work=0.1, failing=0.0)
        await load.plant()
        stage.accepted += load.accepted
        [talker] = await stage.enqueue("chatter", {"seconds": 1.0})
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            sleeper = await post(http, "/api/jobs", {"kind": "nap", "payload": {"seconds": 120}}, idempotent=True)
            sleeper_id = int(str(sleeper["id"]))
            stage.accepted.append(sleeper_id)
            await stage.until(partial(runs, stage, sleeper_id), "its start is recorded")  # or there is nothing to list
            await post(http, f"/api/jobs/{sleeper_id}/cancel", {})
        await stage.quiet()

        assert fired.exists(), f"{spec} did not happen"
        verdict = stage.judge()
        assert not verdict.faults, verdict.faults
        assert (await stage.job(sleeper_id)).status == JobStatus.CANCELLED
        assert (await stage.job(talker)).status == JobStatus.COMPLETED
        await all_completed(stage, load)


async def runs(stage: Stage, job_id: int) -> bool:
    """Whether the store knows that a job runs."""
    return (await stage.job(job_id)).status == JobStatus.RUNNING


async def all_completed(stage: Stage, load: Workload) -> None:
    """The whole tree is there and completed: one fault costs no job its attempts."""
    root = await stage.job(load.accepted[0])
    assert root.status == JobStatus.COMPLETED
    assert root.below.completed == load.tree - 1
    assert root.below.total == load.tree - 1


async def post(
    http: aiohttp.ClientSession, path: str, body: dict[str, object], *, idempotent: bool = False
) -> dict[str, object]:
    """Ask until it is answered well, as a careful client does."""
    headers = {"Idempotency-Key": "once"} if idempotent else {}
    with anyio.fail_after(60):
        while True:
            try:
                async with http.post(path, json=body, headers=headers, timeout=aiohttp.ClientTimeout(5)) as answer:
                    if answer.status < 300:
                        return dict(await answer.json())
            except (aiohttp.ClientError, TimeoutError):
                pass
            await anyio.sleep(0.1)


def free_port() -> int:
    """A port nobody listens on, so that a gateway that comes back is found again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
