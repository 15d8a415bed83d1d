"""What Quaero's processes say of themselves: in tree 0, once a second at most, bounded, and never about the store."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quaero.domain.entries import Entry, Level, Originator
from quaero.domain.errors import StoreFull
from quaero.engine.masking import Mask
from quaero.engine.protocol import Orphans
from quaero.engine.servicelog import MAX_LINES, PERIOD_SECONDS, ServiceLog, heard
from quaero.storage.port import EntryFilter
from quaero.storage.sqlstore import SqlStore
from quaero.testing import FakeClock

pytestmark = pytest.mark.anyio
log = logging.getLogger("quaero.worker")


class Desk:
    """A store whose writes are counted and can be refused, and a clock that is moved by hand."""

    def __init__(self, store: SqlStore) -> None:
        self.clock = FakeClock()
        self.store = store
        self.writes = 0
        self.is_full = False
        self.tried = asyncio.Event()

    async def write(self, script: Callable[..., Any], *args: Any) -> Any:
        self.tried.set()
        if self.is_full:
            raise StoreFull("full")
        self.writes += 1
        return await self.store.write(script, *args)

    async def entries(self, expected: int) -> list[Entry]:
        """Tree 0, once it has this many entries."""
        async with asyncio.timeout(20):
            while True:
                found = (await self.store.entries(0, EntryFilter(), limit=10_000)).entries
                if len(found) >= expected:
                    return found


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with SqlStore.open(f"sqlite:///{tmp_path}/quaero.db") as store:
        yield Desk(store)


async def test_records_from_info_up_become_entries_of_tree_0_that_name_their_process(desk: Desk) -> None:
    async with ServiceLog(desk, desk.clock) as service:  # type: ignore[arg-type]
        with heard(service, "worker", Mask()):
            log.debug("unheard")
            log.info("worker %d started", 3)
            logging.getLogger("asyncio").error("from a library: password=hunter2")

    first, second = await desk.entries(2)
    assert (first.message, first.level, first.originator) == ("worker 3 started", Level.INFO, Originator.SYSTEM)
    assert first.fields is not None
    assert first.fields["process"] == "worker"
    assert (second.message, second.level, second.seq, second.line_number) == (
        "from a library: password=***",
        Level.ERROR,
        2,
        2,
    )


async def test_it_writes_once_a_second_at_most_however_much_is_said(desk: Desk) -> None:
    async with ServiceLog(desk, desk.clock) as service:  # type: ignore[arg-type]
        with heard(service, "worker", Mask()):
            log.info("first")
            await desk.entries(1)
            for n in range(100):
                log.info("line %d", n)
                await asyncio.sleep(0)
            await desk.clock.advance(PERIOD_SECONDS * 0.9)
            assert desk.writes == 1
            await desk.clock.advance(PERIOD_SECONDS * 0.2)
            entries = await desk.entries(101)

    assert desk.writes == 2
    assert [entry.message for entry in entries] == ["first", *(f"line {n}" for n in range(100))]


async def test_what_does_not_fit_is_counted_in_one_entry_where_it_would_have_stood(desk: Desk) -> None:
    async with ServiceLog(desk, desk.clock) as service:  # type: ignore[arg-type]
        for n in range(MAX_LINES + 7):
            service.say(n, Level.INFO, f"line {n}")

    entries = await desk.entries(MAX_LINES + 1)
    assert len(entries) == MAX_LINES + 1
    assert (entries[-2].message, entries[-1].level) == (f"line {MAX_LINES - 1}", Level.WARN)
    assert entries[-1].fields == {"lost": 7}
    assert entries[-1].message.startswith("7 lines are missing here")


async def test_while_the_store_is_full_lines_wait_and_come_whole_and_in_order(desk: Desk) -> None:
    desk.is_full = True
    async with ServiceLog(desk, desk.clock) as service:  # type: ignore[arg-type]
        service.say(1, Level.INFO, "before")
        await desk.tried.wait()
        service.say(2, Level.INFO, "after")
        desk.is_full = False

    assert [entry.message for entry in await desk.entries(2)] == ["before", "after"]


async def test_the_store_and_the_doorbell_are_heard_on_standard_error_only(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    async with ServiceLog(desk, desk.clock) as service:  # type: ignore[arg-type]
        with heard(service, "worker", Mask()):
            logging.getLogger("quaero.storage").warning("a commit could not be told of")
            logging.getLogger("quaero.doorbell.local").error("no bell")
            log.warning("something else")

    assert [entry.message for entry in await desk.entries(1)] == ["something else"]
    assert capfd.readouterr().err.splitlines() == [
        "quaero worker: a commit could not be told of",
        "quaero worker: no bell",
        "quaero worker: something else",
    ]


async def test_output_of_executors_that_belongs_to_no_job_stands_between_what_was_said(desk: Desk) -> None:
    body = msgspec.msgpack.encode([(5, int(Level.WARN), "raw 1"), (6, int(Level.INFO), "raw 2")])
    async with ServiceLog(desk, desk.clock) as service:  # type: ignore[arg-type]
        service.say(4, Level.INFO, "before")
        service.take(Orphans(2, 1 << Level.WARN | 1 << Level.INFO, 5, 6, body))
        service.say(7, Level.ERROR, "after")

    entries = await desk.entries(4)
    assert [entry.message for entry in entries] == ["before", "raw 1", "raw 2", "after"]
    warned = await desk.store.entries(0, EntryFilter(level=Level.WARN))
    assert [entry.message for entry in warned.entries] == ["raw 1", "after"]


async def test_a_fault_is_told_with_its_traceback(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    async with ServiceLog(desk, desk.clock) as service:  # type: ignore[arg-type]
        with heard(service, "gateway", Mask()):
            try:
                raise ZeroDivisionError("by nought")
            except ZeroDivisionError:
                log.exception("GET /api/jobs failed")

    [failed] = await desk.entries(1)
    assert failed.message.startswith("GET /api/jobs failed\nTraceback")
    assert failed.message.endswith("ZeroDivisionError: by nought")
    assert "Traceback" in capfd.readouterr().err
