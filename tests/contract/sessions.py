"""Sessions of one PostgreSQL store, step by step: one holds its transaction open while others come."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from tests import postgres

from quaero.domain.job import Job
from quaero.storage.doctor import examine
from quaero.storage.ledger import SqlLedger
from quaero.storage.port import EntryFilter
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock, Hand

PATIENCE = 30.0  # seconds


class ChangeOfMindError(Exception):
    """Raised in a transaction that was held open, so that it is rolled back."""


class Held:
    """A transaction that has done all but move the lanes and commit, on the writer thread of its store."""

    def __init__(self, store: SqlStore, script: Callable[[Any], Any]) -> None:
        self._script = script
        self._written = threading.Event()
        self._gate = threading.Event()
        self._fate: Exception | None = None
        self.answer = asyncio.ensure_future(store.write(self._run))

    def _run(self, ledger: Any) -> Any:
        assert isinstance(ledger, SqlLedger)
        answer = self._script(ledger)
        ledger.flush()
        self._written.set()
        assert self._gate.wait(PATIENCE)
        if self._fate is not None:
            raise self._fate
        return answer

    async def written(self) -> "Held":
        """Wait until all but the commit is done."""
        assert await asyncio.to_thread(self._written.wait, PATIENCE)
        return self

    async def commit(self) -> Any:
        """Let it commit."""
        self._gate.set()
        return await self.answer

    async def roll_back(self) -> None:
        """Let it fail."""
        self._fate = ChangeOfMindError()
        self._gate.set()
        with pytest.raises(ChangeOfMindError):
            await self.answer


class Table:
    """A store with three sessions, each with a worker."""

    def __init__(self, url: str, stores: list[SqlStore], bench: Bench, hands: list[Hand]) -> None:
        self.url, self.stores, self.bench, self.hands = url, stores, bench, hands
        self._eye = PostgresConnection(url)

    async def hold(self, n: int, script: Callable[[Any], Any]) -> Held:
        """Session `n` runs a script and does not commit."""
        return await Held(self.stores[n], script).written()

    async def waits(self, task: "asyncio.Future[Any]", sessions: int = 1) -> None:
        """Wait until so many sessions wait for locks; what the last one works for is not done."""
        sql = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        async with asyncio.timeout(PATIENCE):
            while (await asyncio.to_thread(self._eye.rows, sql))[0][0] < sessions:
                await asyncio.sleep(0)
        assert not task.done()

    def close(self) -> None:
        self._eye.close()


@asynccontextmanager
async def seated() -> AsyncIterator[Table]:
    """A new store with three sessions; at the end the doctor must find it clean."""
    clock = FakeClock()
    with postgres.fresh() as url:
        async with AsyncExitStack() as stack:
            stores = [await stack.enter_async_context(SqlStore.open(url, clock=clock)) for _ in range(3)]
            bench = await Bench.set_up(stores[0], clock)
            hands = [bench.hand, *[await Hand.start(store, bench.hand.kinds) for store in stores[1:]]]
            table = Table(url, stores, bench, hands)
            yield table
            table.close()
        db = PostgresConnection(url)
        findings = examine(db, clock.now())
        db.close()
        assert findings == []


def soon(work: Any) -> "asyncio.Future[Any]":
    return asyncio.ensure_future(work)


async def two_held(table: Table) -> tuple[Job, Job, Job]:
    """A parent of two children, one held by the first session's worker, one by the second's."""
    parent, _ = await table.bench.family(2)
    [first] = await table.hands[0].take(1)
    [second] = await table.hands[1].take(1)
    return parent, first, second


async def heard(table: Table, root_id: int) -> list[str]:
    page = await table.stores[2].entries(root_id, EntryFilter(), limit=10_000)
    assert [entry.seq for entry in page.entries] == list(range(1, page.head + 1))
    return [entry.message for entry in page.entries if entry.originator == 0]
