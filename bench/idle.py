"""What `quaero up` takes when there is nothing to do: time to the first page, processor, memory."""

import time

from bench import usage
from bench.figures import Figure, Samples, Scenario
from bench.lab import Lab, folder
from bench.up import up

SETTLE_SECONDS = 2


def idle(lab: Lab) -> Samples:
    """Start it, fetch the page, leave it alone."""
    seconds = lab.size(10, 5)
    with folder() as place, up(place) as running:
        time.sleep(SETTLE_SECONDS)
        before = {pid: usage.cpu(pid) for pid in usage.tree(running.pid)}
        time.sleep(seconds)
        used: dict[str, float] = {}
        for pid in usage.tree(running.pid):
            name = usage.name(pid)
            rss, pss = usage.memory(pid)
            for key, value in (
                (f"{name} cpu", (usage.cpu(pid) - before.get(pid, 0)) / seconds * 100),
                (f"{name} rss", rss),
                (f"{name} pss", pss),
            ):
                used[key] = used.get(key, 0) + value
        totals = {
            kind: sum(value for key, value in used.items() if key.endswith(kind)) for kind in ("cpu", "rss", "pss")
        }
        return {**used, **totals, "page": running.seconds}


_ROLES = {
    "supervisor": "supervisor",
    "worker": "worker",
    "gateway": "gateway",
    "executor": "2 executors",
    "warden": "warden",
}

SCENARIO = Scenario(
    "idle",
    "`quaero up` with nothing to do, 2 executors",
    [idle],
    [
        Figure("page", "start until the first page was fetched", "s", 2, 1, low=True),
        Figure("cpu", "processor, all processes", "% of a core", 1, 0.3, low=True),
        *(Figure(f"{role} cpu", f"  {text}", "%") for role, text in _ROLES.items()),
        Figure("pss", "memory, all processes, shared pages divided up", "MB"),
        *(Figure(f"{role} pss", f"  {text}", "MB") for role, text in _ROLES.items()),
        Figure("rss", "memory, all processes, resident", "MB"),
        *(Figure(f"{role} rss", f"  {text}", "MB") for role, text in _ROLES.items()),
    ],
)
