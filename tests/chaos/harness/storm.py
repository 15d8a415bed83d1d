"""Random kills over a growing workload, then peace, then the verdict.

python -m tests.chaos.harness.storm --jobs 500 --kills 5 --seed 7
"""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.harness.system import APP, TELLING, Found, System
from tests.chaos.harness.verdict import Verdict, judge, untold
from tests.chaos.harness.workload import Workload

from quaero.app import open_store_and_bell
from quaero.settings import load

VICTIMS = (("executor", 5), ("worker", 5), ("supervisor", 2), ("gateway", 1), ("all", 1), ("warden", 1))


@dataclass(frozen=True, slots=True)
class Storm:
    """How much, how often, how long. `pause` is the longest wait between two kills, `peace` the longest drain."""

    seed: int
    jobs: int = 500
    kills: int = 5
    pause: float = 2.0
    peace: float = 120.0
    width: int = 12
    leaves: int = 20
    definitions: bool = False  # plant definitions between the trees
    telling: bool = False  # have a subscriber told of every failure
    victims: tuple[tuple[str, int], ...] = VICTIMS  # roles with their weights
    supervisors: tuple[tuple[str, ...], ...] = (("up", "--port", "0"), ("work",))


async def run_storm(storm: Storm, place: Path, url: str | None = None) -> Verdict:
    """Play a storm in `place`, on the store of `url` if given; what it left. Prints what happens."""
    system = System(place, url=url, app=TELLING if storm.telling else APP)
    try:
        verdict = await _play(storm, system)
    finally:
        system.close()
    print(f"seed {storm.seed}: {verdict}")
    for fault in verdict.faults[:40]:
        print("  ", fault)
    if verdict.faults:
        print(system.log_tail())
    return verdict


async def _play(storm: Storm, system: System) -> Verdict:
    dice = random.Random(f"storm {storm.seed}")
    settings = load([system.config], environ={}, flags={"store.url": system.url})
    async with open_store_and_bell(settings) as (store, _):
        for command in storm.supervisors:
            system.start(command)
        load_ = Workload(store, storm.seed, storm.width, storm.leaves)
        await _until_announced(load_)
        trees = -(-storm.jobs // load_.tree)
        killed: Counter[str] = Counter()
        started = time.monotonic()
        frozen: set[asyncio.Task[None]] = set()
        for n in range(storm.kills):
            due = min(trees, 1 + trees * (n + 1) // storm.kills)
            await load_.plant(due - len(load_.accepted))
            await asyncio.sleep(dice.uniform(0.1, storm.pause))
            if storm.definitions:
                await load_.plant_definition()
            did = await load_.meddle()
            victim, hit = _strike(system, dice, storm.victims, frozen)
            killed[victim] += hit > 0
            print(f"{time.monotonic() - started:6.1f} s kill {n + 1}: {hit} {victim}; {did}; {await _shape(load_)}")
            await asyncio.sleep(dice.uniform(0.0, 0.3))
            system.revive()
        await load_.plant(trees - len(load_.accepted))
        print(f"killed {dict(killed)}, {len(load_.cancelled)} cancels, {len(load_.retried)} retries; waiting for peace")
        await asyncio.gather(*frozen)
        await _drain(system, load_, storm.peace)
        while storm.jobs - await load_.made() > 0:  # what was cancelled before it had spawned
            await load_.plant()
            await _drain(system, load_, storm.peace)
        if storm.telling:
            await _until_told(load_, storm.peace)
        codes = await asyncio.to_thread(system.stop, 20)
        left = system.processes()
    verdict = judge(system.url, system.marks, load_.accepted)
    print(f"drained after {time.monotonic() - started:.1f} s; supervisors left with {codes}")
    if any(codes):
        verdict.faults.append(f"supervisors left with {codes}")
    verdict.faults += untold(system.url, system.told) if storm.telling else []
    verdict.faults += [f"I12 still alive: {one}" for one in left]
    return verdict


async def _until_announced(load_: Workload) -> None:
    until = time.monotonic() + 60
    while not await load_.store.rows("select 1 from kind where kind = 'top'"):
        if time.monotonic() > until:
            raise TimeoutError("no worker announced its kinds within 60 s")
        await asyncio.sleep(0.1)


async def _drain(system: System, load_: Workload, seconds: float) -> None:
    """Wait until nothing is open, or the time is over (the verdict tells what is stuck)."""
    until = time.monotonic() + seconds
    while await load_.open_jobs() and time.monotonic() < until:
        system.revive()
        await asyncio.sleep(0.2)


async def _until_told(load_: Workload, seconds: float) -> None:
    """Wait until every event has reached its subscriber."""
    until = time.monotonic() + seconds
    while await load_.store.rows("select 1 from delivery limit 1") and time.monotonic() < until:
        await asyncio.sleep(0.2)


def _strike(
    system: System, dice: random.Random, victims: tuple[tuple[str, int], ...], frozen: set[asyncio.Task[None]]
) -> tuple[str, int]:
    """Kill one process of a random role, or all, or stop one for a while; (role, how many were hit)."""
    role = dice.choices([name for name, _ in victims], [weight for _, weight in victims])[0]
    if role == "freeze":
        one = dice.choice(system.processes("worker", "executor", "gateway", "supervisor"))
        frozen.add(asyncio.create_task(_freeze(system, one, dice.uniform(0.1, 2.5 * system.lease))))
        return f"frozen {one.role}", 1
    found = system.processes() if role == "all" else system.processes(role)
    hit: list[Found] = found if role == "all" else [dice.choice(found)] if found else []
    system.kill(*(one.pid for one in hit))
    return role, len(hit)


async def _freeze(system: System, one: Found, seconds: float) -> None:
    system.kill(one.pid, number=signal.SIGSTOP)
    await asyncio.sleep(seconds)
    system.kill(one.pid, number=signal.SIGCONT)


async def _shape(load_: Workload) -> str:
    ((made, still),) = await load_.store.rows(
        "select count(*), sum(case when status < 3 then 1 else 0 end) from job where id > 0"
    )
    return f"{made} jobs, {still or 0} open"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser()
    for name, default in (("jobs", 500), ("kills", 5), ("seed", random.randrange(1 << 30))):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--pause", type=float, default=2.0)
    for flag in ("keep", "definitions", "telling", "freeze"):
        parser.add_argument(f"--{flag}", action="store_true")
    given = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="quaero-chaos-"))
    victims = (*VICTIMS, ("freeze", 6)) if given.freeze else VICTIMS
    storm = Storm(
        given.seed,
        given.jobs,
        given.kills,
        given.pause,
        victims=victims,
        definitions=given.definitions,
        telling=given.telling,
    )
    verdict = asyncio.run(run_storm(storm, place))
    if verdict.faults or given.keep:
        print("kept", place)
    else:
        shutil.rmtree(place)
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
