"""Whether watching is free: throughput with 0, 100 and 1,000 viewers, what telling them costs, and what pushing would.

Workers have one core, the gateway, the viewers and the load the other. Of the viewers a tenth is in a process that was
stopped (SIGSTOP), a tenth reads 32 KB a second. The sides of a round run in turn; `free.py` says how one is compared.
"""

import asyncio

from bench import filled
from bench.audience import WATCH, WORK, on, public
from bench.fanout import bare, gateway, nchan, states
from bench.figures import Figure, Samples, Scenario
from bench.free import lines, noop
from bench.hosted import Meter, hosted
from bench.lab import Lab, folder
from quaero.engine.lifecycle.enqueue import NewJob, enqueue


def pushed(lab: Lab) -> Samples:
    """The same no-op jobs where the worker tells every client of every event, as it happens."""
    samples: dict[str, float] = {}
    for n, jobs in ((0, lab.size(60_000, 20_000)), (100, lab.size(5_000, 1_000)), (1_000, lab.size(1_000, 300))):
        samples |= asyncio.run(_push(f"pushed {n}", jobs, n))
    return samples


async def _push(name: str, jobs: int, clients: int) -> Samples:
    with folder() as place:
        async with filled.opened(place) as store:
            await filled.announce(store)
            with (
                on(WORK),
                hosted("pusher", place, executors=1) as host,
                on(WATCH),
                public(host.port, "/", clients, place),
            ):
                meter = Meter(host)
                await store.write(enqueue, [NewJob("fan", b'{"n":%d,"child":"noop"}' % jobs)])
                await filled.completed(store, jobs + 1)
                return meter.samples(name, jobs, await filled.seconds_of(store, "noop"))


SCENARIO = Scenario(
    "viewers",
    "workers on one core; gateway, viewers and load on the other; a tenth of the viewers stopped, a tenth at 32 KB/s",
    [noop, lines, pushed, gateway, bare, nchan, states],
    [
        Figure("noop 0", "no-op jobs, nobody watches", commits="noop 0 commits"),
        Figure("noop 100 free", "  with 100 viewers / with none", "x", 0.95, 0.97),
        Figure("noop 1000 free", "  with 1,000 viewers / with none", "x", 0.95, 0.97),
        Figure("noop foreign free", "  with a foreign program on the viewers' core / with none", "x"),
        Figure("noop 1000 cpu free", "  worker CPU for a job with 1,000 viewers / with none", "x"),
        Figure("noop viewer", "  gateway CPU for one of 1,000 viewers, a second", "ms"),
        Figure("lines 0", "log lines, nobody watches", commits="lines 0 commits"),
        Figure("lines 100 free", "  with 100 viewers / with none", "x", 0.95, 0.97),
        Figure("lines 1000 free", "  with 1,000 viewers / with none", "x", 0.95, 0.97),
        Figure("lines foreign free", "  with a foreign program on the viewers' core / with none", "x"),
        Figure("lines 1000 cpu free", "  worker CPU for a line with 1,000 viewers / with none", "x"),
        Figure("pushed 0", "no-op jobs, a worker that pushes by itself, no client"),
        Figure("pushed 100", "  with 100 clients / with none: what the founding problem cost", "x", over="pushed 0"),
        Figure("pushed 1000", "  with 1,000 clients / with none", "x", over="pushed 0"),
        Figure("calm p50", "commit to viewer, 1,000 viewers, p50", "ms", 150, low=True),
        Figure("calm p99", "commit to viewer, 1,000 viewers, p99", "ms", 400, 250, low=True),
        Figure("calm frame", "gateway CPU for 10^6 frames to viewers", "s", 8, 4, low=True),
        Figure("calm frame", "  / a bare writer", "x", over="bare frame"),
        Figure("calm frame", "  / nginx with nchan", "x", over="nchan frame"),
        Figure("bare frame", "a bare writer, CPU for 10^6 frames", "s"),
        Figure("nchan frame", "nginx with nchan, CPU for 10^6 frames", "s"),
        Figure("busy line", "gateway CPU for 10^6 lines to viewers of a busy tree", "s", 1, 0.2, low=True),
        Figure("state", "gateway CPU for 10^6 state messages to WebSocket clients", "s"),
        Figure("stream", "gateway memory for an idle stream", "KB", 40, 20, low=True),
        Figure("nchan stream", "  nginx with nchan", "KB"),
        Figure("stalled", "gateway memory for 200 viewers that never read, of a busy tree", "MB", 32, low=True),
        Figure("beside stalled", "  commit to a healthy viewer meanwhile, p99", "ms"),
        Figure("over interval", "    beyond the flush interval", "ms", 250, low=True),
    ],
    rounds=5,
)
