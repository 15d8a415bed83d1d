"""A worker in this process on a temporary store, its executors real, and a client's view of what it does.

Nothing here waits for a guessed time: `until` looks again whenever the worker has committed something (it listens to
the same doorbell as everybody else) and fails with a picture of the queue when a fact does not come.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from quaero.app import make_worker, open_doorbell, open_store_and_bell
from quaero.domain.definitions import parse
from quaero.domain.entries import Entry
from quaero.domain.job import Job
from quaero.domain.status import WORDS
from quaero.doorbell.port import Doorbell
from quaero.engine.lifecycle.cancel import cancel
from quaero.engine.lifecycle.definitions import run_definition
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.engine.worker.worker import Worker
from quaero.keeping import check
from quaero.settings import Settings
from quaero.settings.sections import Jobs, Logs, Queue, StoreSection
from quaero.storage.port import EntryFilter, JobFilter
from quaero.storage.sqlstore import SqlStore

T = TypeVar("T")
APP = "tests.integration.apps"
PATIENCE = 40.0
ALL = 2_000_000


BOTH_STORES = pytest.mark.parametrize("kind_of_store", ["sqlite", "postgres"], indirect=True)
STORES: dict[Path, str] = {}  # of folders whose store lies elsewhere


def settings_for(
    place: Path, *, logs: Mapping[str, Any] | None = None, jobs: Mapping[str, Any] | None = None, **queue: Any
) -> Settings:
    """Settings of a quick engine in a folder; times in seconds become microseconds by `seconds`."""
    given: dict[str, Any] = {"executors": 1, "lease": 8.0, "heartbeat": 0.5, "grace": 0.4, **queue}
    for name in ("lease", "heartbeat", "grace"):
        given[name] = round(given[name] * 1e6)
    return Settings(
        store=StoreSection(url=STORES.get(place) or f"sqlite:///{place}/quaero.db"),
        queue=Queue(**given),
        logs=Logs(**logs or {}),
        jobs=Jobs(**{"definitions_dir": str(place / "job-definitions"), **(jobs or {})}),
    )


class Engine:
    """A running worker and its store. Make it with `running`."""

    def __init__(self, settings: Settings, store: SqlStore, bell: Doorbell, ear: Doorbell) -> None:
        self.settings = settings
        self.store = store
        self.bell = bell
        self._ear = ear
        self.workers: list[tuple[Worker, asyncio.Task[None]]] = []

    # --- workers

    async def start(self, app: str = APP) -> Worker:
        """Start one more worker and wait until it has announced its kinds."""
        worker = make_worker(self.store, self.bell, self.settings, app)
        ready = asyncio.Event()
        worker.on_ready = ready.set
        task = asyncio.create_task(worker.run())
        self.workers.append((worker, task))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({waiting, task}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            task.result()
        assert ready.is_set()
        return worker

    async def stop(self) -> None:
        """Let all workers drain."""
        for worker, _ in self.workers:
            worker.stop()
        tasks, self.workers = [task for _, task in self.workers], []
        await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)

    @property
    def executors(self) -> list[int]:
        """Process ids of executors that take work."""
        return [link.pid for worker, _ in self.workers for link in worker._pool.links if link.ready]

    # --- asking for work

    async def submit(self, kind: str, payload: Mapping[str, Any] | None = None, **options: Any) -> int:
        """Accept one root; its id."""
        [accepted] = await self.write(enqueue, [NewJob(kind, msgspec.json.encode(payload or {}), **options)])
        return accepted.id

    async def run(self, kind: str, payload: Mapping[str, Any] | None = None, **options: Any) -> Job:
        """Accept one root and wait for its end."""
        return await self.ended(await self.submit(kind, payload, **options))

    async def define(self, text: str) -> int:
        """Run a definition given as TOML; the id of its root."""
        return await self.write(run_definition, parse(text, "test"))

    async def cancel(self, job_id: int) -> int:
        """Cancel a job; how many jobs it touched."""
        return (await self.write(cancel, job_id)).affected

    async def write(self, script: Callable[..., T], *args: Any) -> T:
        """Run a script as another process would: the worker hears of it by the doorbell."""
        answer = await self.store.write(script, *args)
        self._ear.ring()
        return answer

    # --- facts

    async def until(self, fact: Callable[[], Awaitable[T]], what: str = "") -> T:
        """Wait until `fact` answers something true, and return it."""
        deadline = time.monotonic() + PATIENCE
        while not (found := await fact()):
            for _, task in self.workers:
                if task.done():
                    task.result()
            if time.monotonic() > deadline:
                raise AssertionError(f"it never came: {what}\n{await self.picture()}")
            await self._ear.wait(0.1)
        return found

    async def ended(self, job_id: int) -> Job:
        """The job, once it is terminal."""

        async def over() -> Job | None:
            job = await self.job(job_id)
            return job if job.is_terminal else None

        job = await self.until(over, f"the end of job {job_id}")
        assert job is not None
        return job

    async def reaches(self, job_id: int, status: str) -> Job:
        """The job, once it has this status."""

        async def is_there() -> Job | None:
            job = await self.job(job_id)
            return job if WORDS[job.status] == status else None

        job = await self.until(is_there, f"job {job_id} {status}")
        assert job is not None
        return job

    async def says(self, job_id: int, text: str) -> None:
        """Wait until a line of the job holds this text."""

        async def said() -> bool:
            return any(text in message for message in await self.texts(job_id))

        await self.until(said, f"{text!r} in the log of {job_id}")

    async def job(self, job_id: int) -> Job:
        """A job as it stands."""
        job = await self.store.job(job_id)
        assert job is not None, f"there is no job {job_id}"
        return job

    async def children(self, job_id: int) -> list[Job]:
        """Direct children, oldest first."""
        page = await self.store.jobs(JobFilter(parent_id=job_id, descending=False), limit=ALL)
        return page.jobs

    async def entries(self, job_id: int, **where: Any) -> list[Entry]:
        """A job's own journal entries."""
        job = await self.job(job_id)
        given = {"job_id": job_id, "below": False, **where}
        return (await self.store.entries(job.root_id, EntryFilter(**given), limit=ALL)).entries

    async def texts(self, job_id: int, **where: Any) -> list[str]:
        """The messages of a job's own entries."""
        return [entry.message for entry in await self.entries(job_id, **where)]

    async def picture(self) -> str:
        """What the queue looks like, for whoever reads a failure."""
        rows = await self.store.rows(
            "select id, kind, status, attempt, losses, owner, ready, reason, error from job where id > 0"
            " order by id desc limit 12"
        )
        return "\n".join(str((*row[:2], WORDS[row[2]], *row[3:])) for row in rows)


def status(job: Job) -> str:
    """A job's status as people read it."""
    return WORDS[job.status]


def result(job: Job) -> Any:
    """A job's result."""
    return msgspec.json.decode(job.result or b"null")


def error(job: Job) -> dict[str, Any]:
    """A job's error."""
    found: dict[str, Any] = msgspec.json.decode(job.error or b"{}")
    return found


@asynccontextmanager
async def running(settings: Settings, *, workers: int = 1, app: str = APP) -> AsyncIterator[Engine]:
    """An engine for the length of a block; at its end the workers drain and the store must pass the doctor."""
    async with open_store_and_bell(settings) as (store, bell):
        ear = open_doorbell(settings.store.url)
        engine = Engine(settings, store, bell, ear)
        try:
            for _ in range(workers):
                await engine.start(app)
            yield engine
            await engine.stop()
            findings = await asyncio.to_thread(check, settings)
            assert not findings, findings
        finally:
            for worker, task in engine.workers:
                worker.stop()
                worker.stop()
                await asyncio.wait({task}, timeout=PATIENCE)
            ear.close()
