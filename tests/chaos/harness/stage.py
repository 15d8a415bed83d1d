"""One system, its store open beside it: what most chaos tests begin with."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
from tests.chaos.harness.marks import Marks, read_marks
from tests.chaos.harness.system import System
from tests.chaos.harness.verdict import Verdict, judge

from quaero.app import open_store_and_bell
from quaero.domain.errors import StoreUnavailable
from quaero.domain.job import Job
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.settings import load
from quaero.storage.sqlstore import SqlStore

PATIENCE = 60.0


class Stage:
    """A running system and a client's view of its store."""

    def __init__(self, system: System, store: SqlStore) -> None:
        self.system = system
        self.store = store
        self.accepted: list[int] = []

    async def ready(self) -> None:
        """Wait until a worker has announced the kinds of `jobs`."""
        await self.until(lambda: self.store.rows("select 1 from kind where kind = 'top'"), "a worker announced itself")

    async def enqueue(self, kind: str, payload: Mapping[str, Any], n: int = 1, **more: Any) -> list[int]:
        """Accept `n` roots; their ids."""
        request = NewJob(kind, msgspec.json.encode(payload), **more)
        ids = [one.id for one in await self.store.write(enqueue, [request] * n)]
        self.accepted += ids
        return ids

    async def job(self, job_id: int) -> Job:
        """A job as it stands."""
        job = await self.store.job(job_id)
        assert job is not None
        return job

    def marks(self) -> Marks:
        """What handlers did so far."""
        return read_marks(self.system.marks)

    async def begun(self, *job_ids: int) -> None:
        """Wait until handlers of these jobs have begun."""
        await self.until(lambda: set(job_ids) <= self.marks().tries.keys(), f"handlers of {job_ids} began")

    async def quiet(self, seconds: float = PATIENCE) -> None:
        """Wait until every job is terminal; dead supervisors are started again meanwhile."""

        async def is_quiet() -> bool:
            self.system.revive()
            try:
                return not await self.store.rows("select 1 from job where status < 3 and id > 0 limit 1")
            except StoreUnavailable:
                return False

        await self.until(is_quiet, "every job is terminal", seconds)

    async def until(self, fact: Any, what: str, seconds: float = PATIENCE) -> None:
        """Wait until `fact()`, plain or awaitable, is true. Raises TimeoutError naming `what`, with the log's end."""
        with anyio.move_on_after(seconds):
            while True:
                answer = fact()
                if answer if not hasattr(answer, "__await__") else await answer:
                    return
                await anyio.sleep(0.05)
        raise TimeoutError(f"not within {seconds:g} s: {what}\n{self.system.log_tail()}")

    def judge(self, *, whole_trees: bool = True) -> Verdict:
        """The verdict on the store as it is now."""
        return judge(self.system.url, self.system.marks, self.accepted, whole_trees=whole_trees)


@asynccontextmanager
async def staged(
    place: Path, *, url: str | None = None, lease: float = 2.0, heartbeat: float = 0.4, grace: float = 1.0
) -> AsyncIterator[Stage]:
    """A stage in `place`, its processes not yet started; everything is ended on the way out. `url`: the store's."""
    system = System(place, url=url, lease=lease, heartbeat=heartbeat, grace=grace)
    try:
        settings = load([system.config], environ={}, flags={"store.url": system.url})
        async with open_store_and_bell(settings) as (store, _):
            yield Stage(system, store)
    finally:
        system.close()
