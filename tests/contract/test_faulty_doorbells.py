"""Whatever becomes of rings, or if there are none: viewers see every line in order, and work is found, by looking."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import msgspec
import pytest
from tests import postgres

from quaero.app import open_doorbell
from quaero.clock import SystemClock
from quaero.doorbell.port import Doorbell, Silence
from quaero.engine.lifecycle.enqueue import enqueue
from quaero.engine.worker.ears import Ears
from quaero.gateway.lookout import POLL_EVERY
from quaero.gateway.state import Gateway
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Hand
from quaero.testing.factories import a_root
from quaero.testing.faultybell import Faults, FaultyBell

pytestmark = pytest.mark.anyio
PATIENCE = 20.0
SLACK = 0.75  # seconds more than a look apart, on a machine that has other things to do
FAULTS = {
    "whole": Faults(),
    "all lost": Faults(lost=1.0),
    "half lost": Faults(lost=0.5),
    "repeated": Faults(repeated=0.7),
    "late and out of order": Faults(late=0.6),
    "all of it": Faults(lost=0.3, repeated=0.4, late=0.4),
}


class Sides:
    """Two processes of one store, as far as it can tell: one that writes and rings, one that looks and listens."""

    def __init__(self, writer: SqlStore, reader: SqlStore, rung: FaultyBell | None, bell: Doorbell) -> None:
        self.writer, self.reader, self.rung, self.bell = writer, reader, rung, bell


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/quaero.db"
    else:
        with postgres.fresh() as url:
            yield url


@pytest.fixture(params=["silence", "all lost", "repeated", "late and out of order", "all of it"])
async def sides(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Sides]:
    async with AsyncExitStack() as stack:
        if request.param == "silence":
            writer = await stack.enter_async_context(SqlStore.open(url))
            reader = await stack.enter_async_context(SqlStore.open(url))
            yield Sides(writer, reader, None, Silence())
            return
        faults = FAULTS[request.param]
        rung = stack.enter_context(closing(FaultyBell(open_doorbell(url), faults, seed=1)))
        heard = stack.enter_context(closing(FaultyBell(open_doorbell(url), faults, seed=2)))
        writer = await stack.enter_async_context(SqlStore.open(url, on_commit=rung.ring))
        reader = await stack.enter_async_context(SqlStore.open(url))
        yield Sides(writer, reader, rung, heard)


async def test_viewers_see_every_line_once_and_soon(sides: Sides) -> None:
    hand = await Hand.start(sides.writer)
    await sides.writer.write(enqueue, [a_root()])
    [job] = await hand.take()
    gateway = Gateway(sides.reader, "1", bell=sides.bell)
    running = asyncio.create_task(gateway.feed.run())
    following = await gateway.feed.follow(await gateway.feed.scope(job.id, level="debug"), cursor=None, limit=1_000)
    messages = [f"line {n}" for n in range(5)]
    late: list[float] = []
    seen: list[str] = []

    async with asyncio.timeout(PATIENCE):
        for message in messages:
            await hand.say(job, message)
            said = time.monotonic()
            while message not in seen:
                part = await anext(following)
                if part.kind == "logs":
                    seen += [entry["message"] for entry in msgspec.json.decode(part.data)["logs"]]
            late.append(time.monotonic() - said)
    following.close()
    running.cancel()
    await asyncio.wait({running})

    assert [message for message in seen if message in messages] == messages
    assert sorted(late)[len(late) // 2] < POLL_EVERY + gateway.settings.logs.batch_interval / 1e6 + SLACK


async def test_work_is_found_soon(sides: Sides) -> None:
    stirred = asyncio.Event()

    def stir(*, look: bool) -> None:
        stirred.set()

    hand = await Hand.start(sides.writer)
    ears = asyncio.create_task(Ears(sides.reader, sides.bell, SystemClock(), stir).listen())
    late: list[float] = []
    for _ in range(3):
        await sides.writer.write(enqueue, [a_root()])
        stirred.clear()
        accepted = time.monotonic()
        async with asyncio.timeout(PATIENCE):
            await stirred.wait()
        late.append(time.monotonic() - accepted)
        await hand.drain()
    ears.cancel()

    assert sorted(late)[len(late) // 2] < POLL_EVERY + SLACK


class Counted(Silence):
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.rings: list[int] = []

    def ring(self, trees: Collection[int] = (), work: bool = True) -> None:
        self.rings += trees


def test_the_faults_happen() -> None:
    """Else the tests above would show nothing."""
    reached = {}
    for name, faults in FAULTS.items():
        counted = Counted()
        bell = FaultyBell(counted, faults, seed=1)
        for n in range(200):
            bell.ring([n])
        reached[name] = counted.rings

    assert reached["whole"] == list(range(200))
    assert reached["all lost"] == []
    assert 50 < len(reached["half lost"]) < 150
    assert reached["repeated"] != sorted(set(reached["repeated"])) == list(range(200))
    late = reached["late and out of order"]
    assert late != sorted(late)
    assert len(late) > 195
