"""How fast a handler's `spawn_many` becomes children in the store."""

import asyncio

import msgspec

from bench import filled
from bench.figures import Figure, Samples, Scenario
from bench.hosted import Meter, hosted
from bench.lab import Lab, folder
from quaero.engine.lifecycle.enqueue import NewJob, enqueue


def spawn_many(lab: Lab) -> Samples:
    """One parent, its children of a kind nobody here runs."""
    return asyncio.run(_spawn(lab.size(300_000, 50_000), filled.PARKED, "spawn"))


def spawn_and_run(lab: Lab) -> Samples:
    """One parent whose children run while it spawns."""
    return asyncio.run(_spawn(lab.size(200_000, 40_000), "noop", "both"))


async def _spawn(n: int, child: str, name: str) -> Samples:
    payload = msgspec.json.encode({"n": n, "child": child})
    with folder() as place:
        async with filled.opened(place) as store:
            await filled.announce(store)
            with hosted("worker", place) as host:
                meter = Meter(host)
                [root] = await store.write(enqueue, [NewJob("fan", payload)])
                while (job := await store.job(root.id)) is None or not job.sealed:
                    await asyncio.sleep(0.01)
                if child == "noop":
                    await filled.completed(store, n + 1)
                last_commit = "select max(created_at) from job where parent_id = ?"
                if child == "noop":  # ends are dated by handlers, journals by commits
                    last_commit = "select max(t1) from run where root_id = ?"
                [[last]] = await store.rows(last_commit, (root.id,))
                return meter.samples(name, n, (last - job.started_at) / 1e6)


SCENARIO = Scenario(
    "spawn",
    "children a second, from the handler's `spawn_many` to their commit",
    [spawn_many, spawn_and_run],
    [
        Figure("spawn", "spawn_many of one parent", bar=50_000, aim=200_000, commits="spawn commits"),
        Figure("spawn own", "  worker process, CPU a child", "µs"),
        Figure("spawn below", "  its executors, CPU a child", "µs"),
        Figure("both", "spawned and run", commits="both commits"),
        Figure("both own", "  worker process, CPU a child", "µs"),
        Figure("both below", "  its executors, CPU a child", "µs"),
    ],
)
