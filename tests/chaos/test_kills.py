"""Fifty kills at random over ten thousand jobs: nothing lost, stuck, twice terminal or miscounted.

CHAOS_SEED=7 CHAOS_JOBS=10000 CHAOS_KILLS=50 python -m pytest tests/chaos/test_kills.py -s
"""

import os
import random
from pathlib import Path

import pytest
from tests.chaos.harness.storm import VICTIMS, Storm, run_storm

pytestmark = pytest.mark.anyio
JOBS = int(os.environ.get("CHAOS_JOBS", "10000"))
KILLS = int(os.environ.get("CHAOS_KILLS", "50"))
SEEDS = (
    [int(os.environ["CHAOS_SEED"])] if "CHAOS_SEED" in os.environ else [11, random.SystemRandom().randrange(1 << 30)]
)


@pytest.mark.parametrize("seed", SEEDS, ids=["known seed", "new seed"][: len(SEEDS)])
async def test_random_kills_lose_nothing(
    seed: int, store_url: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{KILLS} kills over {JOBS} jobs, seed {seed} (again: CHAOS_SEED={seed})")
        verdict = await run_storm(Storm(seed, JOBS, KILLS), tmp_path, store_url)

    assert not verdict.faults, f"seed {seed}: {verdict.faults[:5]}"
    assert verdict.jobs >= JOBS
    assert verdict.statuses["completed"] > 0.8 * verdict.jobs


@pytest.mark.parametrize("seed", [41, 42])
async def test_definitions_subscribers_and_processes_that_stand_still(
    seed: int, store_url: str | None, tmp_path: Path
) -> None:
    victims = (*VICTIMS, ("freeze", 6))
    storm = Storm(seed, 2_500, 25, victims=victims, definitions=True, telling=True)

    verdict = await run_storm(storm, tmp_path, store_url)

    assert not verdict.faults, verdict.faults[:5]
    assert verdict.statuses["completed"] > 0.8 * verdict.jobs


@pytest.mark.parametrize("victim", ["executor", "worker", "supervisor", "all"])
async def test_kills_of_one_sort_in_quick_succession_lose_nothing(
    victim: str, store_url: str | None, tmp_path: Path
) -> None:
    verdict = await run_storm(Storm(5, 1_000, 8, pause=0.8, victims=((victim, 1),)), tmp_path, store_url)

    assert not verdict.faults, verdict.faults[:5]
