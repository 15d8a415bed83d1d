"""`python -m bench.host worker|gateway|pusher FOLDER EXECUTORS FSYNC_MS`: one process of Quaero, its commits counted.

What `quaero.app` puts together, put together once more with a counter on commits and, if asked, a slow disk. Says
`{"ready": port}` on standard output, then answers every line on standard input with what it has counted so far.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import Collection
from pathlib import Path

import msgspec
import uvloop

from bench import pushing
from bench.lab import settings_of
from bench.slowdisk import SlowDisk
from quaero.app import make_worker, open_doorbell
from quaero.gateway.server import bind, serve
from quaero.gateway.state import Gateway
from quaero.storage.sqlstore import SqlStore

APP = "bench.jobs:app"


class Host:
    """The store, the doorbell and the counter of this process."""

    def __init__(self, place: Path, executors: int, fsync_ms: float) -> None:
        self.settings = settings_of(place, executors)
        self.bell = open_doorbell(self.settings.store.url)
        self.commits = 0
        disk = SlowDisk(fsync_ms / 1000) if fsync_ms else None
        self.store = SqlStore.open(
            self.settings.store.url, on_commit=self._committed, vfs=disk.name if disk is not None else None
        )
        self.stop = asyncio.Event()

    def _committed(self, trees: Collection[int], work: bool) -> None:
        self.commits += 1
        self.bell.ring(trees, work)

    async def push(self) -> None:
        """Be a worker that tells clients itself (`pushing.py`)."""
        port = await pushing.listen()
        pushing.push_from(self.store)
        await self.work(port)

    async def work(self, port: int = 0) -> None:
        """Be a worker until told to stop."""
        worker = make_worker(self.store, self.bell, self.settings, APP)
        worker.on_ready = lambda: self.ready(port)
        stopper = asyncio.create_task(self.stop.wait())
        for _ in range(2):  # asked twice, it does not wait for what runs
            stopper.add_done_callback(lambda _: worker.stop())
        await worker.run()

    async def serve(self) -> None:
        """Be a gateway until told to stop."""
        listener = bind("127.0.0.1", 0)
        port = listener.getsockname()[1]
        gateway = Gateway(self.store, "bench", bell=self.bell, settings=self.settings)
        await serve(gateway, listener, stop=self.stop, on_ready=lambda: self.ready(port))

    def ready(self, port: int = 0) -> None:
        """Say so, and begin to answer."""
        gc.freeze()
        asyncio.get_running_loop().add_reader(0, self._answer)
        print(msgspec.json.encode({"ready": port}).decode(), flush=True)

    def _answer(self) -> None:
        if sys.stdin.readline():
            print(msgspec.json.encode({"commits": self.commits}).decode(), flush=True)
        else:
            asyncio.get_running_loop().remove_reader(0)
            self.stop.set()


async def main(role: str, place: str, executors: str, fsync_ms: str) -> None:
    """Run one process."""
    host = Host(Path(place), int(executors), float(fsync_ms))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, host.stop.set)
    async with host.store:
        await {"worker": host.work, "pusher": host.push, "gateway": host.serve}[role]()
    host.bell.close()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
