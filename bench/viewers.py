"""Whether watching is free: throughput with 0, 100 and 1,000 viewers, what telling them costs, and what pushing would.

Workers have one core, the gateway, the viewers and the load the other. Of the viewers a tenth never read and a tenth
read 32 KB a second. The sides of a round run in turn.
"""

import asyncio

from bench import filled
from bench.audience import WATCH, WORK, audience, on
from bench.fanout import bare, gateway, nchan
from bench.figures import Figure, Samples, Scenario
from bench.hosted import Meter, hosted
from bench.lab import Lab, folder
from quaero.engine.lifecycle.enqueue import NewJob, enqueue


def watched(lab: Lab) -> Samples:
    """No-op jobs and log lines a second, with nobody, some and many who watch."""
    samples: dict[str, float] = {}
    for n in (0, 100, 1_000):
        samples |= asyncio.run(_drain(f"noop {n}", lab.size(60_000, 20_000), n))
        samples |= asyncio.run(_talk(f"lines {n}", lab.size(400_000, 100_000), n))
    return samples


def pushed(lab: Lab) -> Samples:
    """The same no-op jobs where the worker tells every client of every event, as it happens."""
    samples: dict[str, float] = {}
    for n in (0, 100):
        samples |= asyncio.run(_push(f"pushed {n}", lab.size(5_000, 1_000), n))
    return samples


async def _drain(name: str, jobs: int, viewers: int) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            root_id = await filled.parent(store, jobs)
            with (
                on(WATCH),
                hosted("gateway", place) as gate,
                audience(gate.port, _path(root_id), viewers, place, **_lame(viewers)),
                on(WORK),
                hosted("worker", place, executors=1) as host,
                on(WATCH),
            ):
                meter, gate_cpu = Meter(host), sum(gate.cpu)
                await filled.completed(store, jobs + 1)
                samples = meter.samples(name, jobs, await filled.seconds_of(store, "noop"))
                used = sum(gate.cpu) - gate_cpu
        return {**samples, f"{name} viewer": used / max(1, viewers) * 1e3}


async def _push(name: str, jobs: int, clients: int) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            await filled.announce(store)
            with (
                on(WORK),
                hosted("pusher", place, executors=1) as host,
                on(WATCH),
                audience(host.port, "/", clients, place, **_lame(clients)),
            ):
                meter = Meter(host)
                await store.write(enqueue, [NewJob("fan", b'{"n":%d,"child":"noop"}' % jobs)])
                await filled.completed(store, jobs + 1)
                return meter.samples(name, jobs, await filled.seconds_of(store, "noop"))


async def _talk(name: str, lines: int, viewers: int) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            await filled.announce(store)
            [root] = await store.write(enqueue, [NewJob("talk", b'{"lines":%d}' % lines)])
            with (
                on(WATCH),
                hosted("gateway", place) as gate,
                audience(gate.port, _path(root.id), viewers, place, **_lame(viewers)),
                on(WORK),
                hosted("worker", place, executors=1) as host,
                on(WATCH),
            ):
                meter = Meter(host)
                await filled.completed(store, 1)
                return meter.samples(name, lines, await filled.seconds_of(store, "talk"))


def _path(job_id: int) -> str:
    return f"/api/jobs/{job_id}/logs/stream"


def _lame(viewers: int) -> dict[str, int]:
    return {"never": viewers // 10, "slow": viewers // 10}


SCENARIO = Scenario(
    "viewers",
    "workers on one core; gateway, viewers and load on the other; a tenth of the viewers never reads, a tenth slowly",
    [watched, pushed, gateway, bare, nchan],
    [
        Figure("noop 0", "no-op jobs, nobody watches", commits="noop 0 commits"),
        Figure("noop 100", "  with 100 viewers / with none", "x", 0.95, 0.97, over="noop 0"),
        Figure("noop 1000", "  with 1,000 viewers / with none", "x", 0.95, 0.97, over="noop 0"),
        Figure("noop 1000 viewer", "  gateway CPU for one of 1,000 viewers, whole run", "ms"),
        Figure("lines 0", "log lines, nobody watches", commits="lines 0 commits"),
        Figure("lines 100", "  with 100 viewers / with none", "x", 0.95, 0.97, over="lines 0"),
        Figure("lines 1000", "  with 1,000 viewers / with none", "x", 0.95, 0.97, over="lines 0"),
        Figure("pushed 0", "no-op jobs, a worker that pushes by itself, no client"),
        Figure("pushed 100", "  with 100 clients / with none: what the founding problem cost", "x", over="pushed 0"),
        Figure("calm p50", "commit to viewer, 1,000 viewers, p50", "ms", 150, low=True),
        Figure("calm p99", "commit to viewer, 1,000 viewers, p99", "ms", 400, 250, low=True),
        Figure("calm frame", "gateway CPU for 10^6 frames to viewers", "s", 8, 4, low=True),
        Figure("calm frame", "  / a bare writer", "x", over="bare frame"),
        Figure("calm frame", "  / nginx with nchan", "x", over="nchan frame"),
        Figure("bare frame", "a bare writer, CPU for 10^6 frames", "s"),
        Figure("nchan frame", "nginx with nchan, CPU for 10^6 frames", "s"),
        Figure("busy line", "gateway CPU for 10^6 lines to viewers of a busy tree", "s", 1, 0.2, low=True),
        Figure("stream", "gateway memory for an idle stream", "KB", 40, 20, low=True),
        Figure("stalled", "gateway memory for 200 viewers that never read, of a busy tree", "MB", 32, low=True),
        Figure("beside stalled", "  commit to a healthy viewer meanwhile, p99", "ms"),
    ],
    rounds=5,
)
