"""Whether watching is free: one workload, and viewers who come and go while it runs.

The rate with viewers is set against the rates without any just before and just after, of the same worker on the same
store: a machine that drifts, or a worker that happened to start well, changes both. Beside it the same with a program
on the viewers' core that has nothing to do with us and moves bytes as a server does: what a machine takes from one
core when the other is busy (they share caches, memory and the host) no design gives back. The worker's processor time
for a job or a line is compared too; it says whether viewers give the worker anything to do.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext

from bench import filled
from bench.audience import WATCH, WORK, on, public
from bench.figures import Samples
from bench.hosted import Hosted, Meter, hosted
from bench.lab import Lab, folder, process
from quaero.storage.sqlstore import SqlStore

SETTLE_SECONDS = 0.4
PROMPT_SECONDS = 0.003  # a count that took longer to read is read again
TRIES = 50
FOREIGN = "a, b = __import__('socket').socketpair()\nwhile True: a.send(bytes(60_000)), b.recv(60_000)"
LINES = 250_000  # of one job
Read = Callable[[], Awaitable[int]]


def noop(lab: Lab) -> Samples:
    """Jobs a second that do nothing."""
    return asyncio.run(_free("noop", lab.size(1_000_000, 600_000), lab.size(3, 2) / 2))


def lines(lab: Lab) -> Samples:
    """Log lines a second."""
    return asyncio.run(_free("lines", 40, lab.size(2, 1)))


async def _free(name: str, jobs: int, seconds: float) -> Samples:
    kind, payload = ("noop", b"{}") if name == "noop" else ("talk", b'{"lines":%d}' % LINES)
    with folder() as place:
        async with filled.opened(place) as store:
            root_id = await filled.parent(store, jobs, kind, payload)
            path = f"/api/jobs/{root_id}/logs/stream"
            with (
                on(WATCH),
                hosted("gateway", place) as gate,
                on(WORK),
                hosted("worker", place, executors=1) as host,
                on(WATCH),
            ):
                most = jobs if name == "noop" else jobs * LINES
                run = _Run(name, most, seconds, host, gate, _reader(store, name, root_id))
                await run.phase("0", nullcontext())
                await run.phase("100", public(gate.port, path, 100, place))
                await run.phase("0", nullcontext())
                await run.phase("1000", public(gate.port, path, 1_000, place), viewers=1_000)
                await run.phase("0", nullcontext())
                await run.phase("foreign", process(sys.executable, "-c", FOREIGN, place=place))
                await run.phase("0", nullcontext())
                return run.samples


def _reader(store: SqlStore, name: str, root_id: int) -> Read:
    sql = "select coalesce(sum(completed), 0) from counter" if name == "noop" else (
        f"select journal_head from job where id = {root_id:d}"
    )  # fmt: skip

    async def read() -> int:
        [[n]] = await store.rows(sql)
        return int(n)

    return read


class _Run:
    """The phases of one workload; every one with viewers stands between two without."""

    def __init__(self, name: str, most: int, seconds: float, host: Hosted, gate: Hosted, read: Read) -> None:
        self.samples: dict[str, float] = {}
        self._read = read
        self._most = most
        self._name = name
        self._seconds = seconds
        self._host, self._gate = host, gate
        self._before: dict[str, float] = {}
        self._between: dict[str, float] = {}
        self._label = ""
        self._alone: list[dict[str, float]] = []

    async def phase(self, label: str, watching: AbstractContextManager[object], viewers: int = 0) -> None:
        """Measure for a while with somebody watching, or nobody (`0`); the worker waits until they have come."""
        with ExitStack() as stack:
            with self._host.stopped():
                stack.enter_context(watching)
            await asyncio.sleep(SETTLE_SECONDS)
            told = await self._measured(viewers)
        if label != "0":
            self._between, self._label = told, label
            return
        if self._between:
            self._compare(told)
        self._before, self._between = told, {}
        self._alone.append(told)
        for key in told:
            self.samples[f"{self._name} 0{key}"] = sum(alone[key] for alone in self._alone) / len(self._alone)

    def _compare(self, after: dict[str, float]) -> None:
        for key, value in self._between.items():
            alone = (self._before[key] + after[key]) / 2
            self.samples[f"{self._name} {self._label}{key}"] = value
            self.samples[f"{self._name} {self._label}{key} free"] = value / alone if alone else 0.0

    async def _measured(self, viewers: int) -> dict[str, float]:
        meter, gate = Meter(self._host), sum(self._gate.cpu)
        before, began = await self._counted()
        await asyncio.sleep(self._seconds)
        after, ended = await self._counted()
        if after >= self._most:
            raise RuntimeError(f"{self._name}: all work was done before it was measured: there must be more of it")
        told = meter.samples("", after - before, ended - began)
        used = sum(self._gate.cpu) - gate
        told[" cpu"] = told[" own"] + told[" below"]
        if viewers:
            self.samples[f"{self._name} viewer"] = used / viewers / (ended - began) * 1e3
        return told

    async def _counted(self) -> tuple[int, float]:
        """How much is done, and the moment at which it was; this process may have to wait for its core."""
        for _ in range(TRIES):
            began = time.perf_counter()
            n = await self._read()
            ended = time.perf_counter()
            if ended - began < PROMPT_SECONDS:
                break
            await asyncio.sleep(0.001)
        return n, (began + ended) / 2
