"""Seven hosts and a database: kills, crashes of PostgreSQL, a host cut off, viewers moved about. Nothing is lost.

CHAOS_SEED=7 CHAOS_JOBS=10000 python -m pytest tests/chaos/test_hosts.py -s
"""

import asyncio
import os
import random
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import anyio
import pytest
from tests.chaos.harness.database import Database
from tests.chaos.harness.hosts import Host, Network
from tests.chaos.harness.stage import Stage, staged
from tests.chaos.harness.workload import Workload
from tests.integration.reading import Reader, stored_entries

from quaero.domain.errors import StoreUnavailable

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(1_800)]
SEED = int(os.environ.get("CHAOS_SEED", "5"))
JOBS = int(os.environ.get("CHAOS_JOBS", "10000"))
KILLS = int(os.environ.get("CHAOS_KILLS", "20"))
WORKERS, GATEWAYS, CRASHES, WATCHED = 4, 3, 3, 6
PORT = 8080
VICTIMS = ("worker", "worker", "executor", "executor", "gateway", "gateway", "supervisor", "warden")


@dataclass
class Wanderer(Reader):
    """A viewer who comes back to another gateway each time."""

    addresses: list[str] = field(default_factory=list)

    async def _connect(self, session: aiohttp.ClientSession) -> None:
        self.address = self.rng.choice(self.addresses)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.rng.uniform(1, 6)):
                await super()._connect(session)


@dataclass
class Cluster:
    """Workers and gateways on hosts of their own."""

    stage: Stage
    network: Network
    database: Database
    dice: random.Random
    workers: list[Host] = field(default_factory=list)
    gateways: list[Host] = field(default_factory=list)

    def start(self) -> None:
        """One supervisor a host."""
        self.workers = [self.network.add() for _ in range(WORKERS)]
        self.gateways = [self.network.add() for _ in range(GATEWAYS)]
        for host in self.workers:
            self.stage.system.start(["work"], inside=host.name)
        for host in self.gateways:
            self.stage.system.start(["serve", "--host", host.address, "--port", str(PORT)], inside=host.name)

    @property
    def addresses(self) -> list[str]:
        """Where viewers may go."""
        return [f"http://{host.address}:{PORT}" for host in self.gateways]

    def strike(self) -> str:
        """Kill a process of some role; which."""
        role = self.dice.choice(VICTIMS)
        found = self.stage.system.processes(role)
        if found:
            self.stage.system.kill(self.dice.choice(found).pid)
        return role

    async def crash(self) -> None:
        """PostgreSQL ends at once, and is there again some time later."""
        await anyio.to_thread.run_sync(self.database.crash)
        await anyio.sleep(self.dice.uniform(0.5, 3))
        await anyio.to_thread.run_sync(self.database.start)

    def executors(self, host: Host) -> set[int]:
        """The processes that run handlers on a host."""
        return {one.pid for one in self.stage.system.processes("executor") if host.has(one.pid)}

    async def cut_off(self) -> None:
        """A worker's host loses its cable for longer than its lease lasts: it must have fenced itself by then."""
        host = self.dice.choice(self.workers)
        await self.stage.until(lambda: self.executors(host), f"executors on {host.name}")
        inside = self.executors(host)
        self.network.cut(host)
        try:
            await anyio.sleep(self.stage.system.lease + 0.5)
            still = self.executors(host) & inside
        finally:
            self.network.mend(host)
        assert not still, f"{still} outlived their lease on {host}"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    with laid() as network, serving(network) as database:
        async with staged(tmp_path, url=database.url, lease=5.0, heartbeat=0.5, grace=1.0) as stage:
            yield Cluster(stage, network, database, random.Random(f"hosts {SEED}"))


@contextmanager
def laid() -> Iterator[Network]:
    network = Network()
    try:
        yield network
    finally:
        network.close()


@contextmanager
def serving(network: Network) -> Iterator[Database]:
    database = Database(network.address, network.range)
    try:
        yield database
    finally:
        database.close()


def token(url: str) -> str:
    """A credential for viewers: gateways are off loopback here."""
    command = [sys.executable, "-c", "from quaero.cli.main import main; main()", "token", "create", "viewers"]
    made = subprocess.run([*command, "--store", url], capture_output=True, text=True, check=True)
    found = re.search(r"qk_[\w-]+", made.stdout)
    assert found is not None
    return found[0]


async def insist(work: Callable[[], Awaitable[object]]) -> None:
    """Do it, however often the database is away meanwhile."""
    with anyio.fail_after(60):
        while True:
            try:
                await work()
                return
            except StoreUnavailable:
                await anyio.sleep(0.2)


async def test_nothing_is_lost_between_hosts(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    stage, dice = cluster.stage, cluster.dice
    headers = {"Authorization": f"Bearer {token(stage.system.url)}"}
    cluster.start()
    await stage.ready()
    load = Workload(stage.store, SEED, work=0.3)
    stage.accepted = load.accepted
    trees = -(-JOBS // load.tree)
    readers: list[Wanderer] = []
    async with aiohttp.ClientSession(headers=headers) as session, asyncio.TaskGroup() as reading:
        for n in range(KILLS):
            due = trees * (n + 1) // KILLS - len(load.accepted)
            if due > 0:
                await insist(partial(load.plant, due))
            for root in load.accepted[len(readers) : WATCHED]:
                start = f"{stage.store.incarnation}.{root}.0"
                rng = random.Random(f"{SEED} {root}")
                readers.append(Wanderer("", str(root), start, rng, patience=600, addresses=cluster.addresses))
                reading.create_task(readers[-1].read_to_the_end(session))
            if n == KILLS // 2:
                await cluster.cut_off()
            if n in {KILLS * (i + 1) // (CRASHES + 1) for i in range(CRASHES)}:
                await cluster.crash()
            cluster.strike()
            await anyio.sleep(dice.uniform(0.3, 2.0))
            stage.system.revive()
        await stage.quiet(900)

    async with aiohttp.ClientSession(headers=headers) as session:
        for reader in readers:
            stored = await stored_entries(session, cluster.addresses[0], reader.job_id, level="debug")
            assert not (faults := reader.faults(stored)), faults
    verdict = stage.judge()
    with capsys.disabled():
        seen = sum(len(reader.entries) for reader in readers)
        moves = sum(reader.connections for reader in readers)
        print(f"\nseed {SEED}: {verdict}; {len(readers)} viewers read {seen} entries over {moves} connections")
    assert not verdict.faults, verdict.faults[:5]
    assert verdict.jobs >= JOBS
