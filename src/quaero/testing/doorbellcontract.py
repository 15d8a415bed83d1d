"""What every doorbell must keep, as tests: make a subclass and say how one is opened for a store's file.

A doorbell may lose a ring or ring twice; so nothing is asked here about exactly how often, except that rings nobody
waited for become one.
"""

import asyncio
import multiprocessing
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from quaero.doorbell.port import Doorbell

SOON = 10.0  # seconds: how long a ring that must come is waited for
NOW = 0.05  # seconds: how long one that must not come is waited for


class DoorbellContract(ABC):
    """All promises of a doorbell."""

    pytestmark = pytest.mark.anyio

    @abstractmethod
    def open_doorbell(self, database: Path) -> Doorbell:
        """A doorbell of the store in this file."""

    @pytest.fixture
    def stack(self) -> Iterator[ExitStack]:
        """Closes every doorbell a test opened."""
        with ExitStack() as stack:
            yield stack

    def bells(self, stack: ExitStack, database: Path, n: int) -> list[Doorbell]:
        """Some doorbells of one store."""
        return [stack.enter_context(closing(self.open_doorbell(database))) for _ in range(n)]

    async def test_a_ring_wakes_all_others(self, tmp_path: Path, stack: ExitStack) -> None:
        """Whether they wait already or only afterwards; whoever rings does not hear itself."""
        ringer, waiting, late = self.bells(stack, tmp_path / "a.db", 3)
        task = asyncio.create_task(waiting.wait(SOON))
        await asyncio.sleep(0)
        ringer.ring()
        assert await task
        assert await late.wait(SOON)
        assert not await ringer.wait(NOW)

    async def test_one_who_came_later_is_heard_and_hears(self, tmp_path: Path, stack: ExitStack) -> None:
        """Doorbells need not be opened before the first ring."""
        first, second = self.bells(stack, tmp_path / "a.db", 2)
        first.ring()
        assert await second.wait(SOON)
        [third] = self.bells(stack, tmp_path / "a.db", 1)
        first.ring()
        assert await third.wait(SOON)
        third.ring()
        assert await first.wait(SOON)

    async def test_rings_nobody_waited_for_become_one(self, tmp_path: Path, stack: ExitStack) -> None:
        """Thousands of rings neither block the one who rings nor wake anybody often: once, and for what came after."""
        ringer, listener = self.bells(stack, tmp_path / "a.db", 2)
        for _ in range(5_000):
            ringer.ring()
        assert await listener.wait(SOON)
        woken = 1
        while await listener.wait(4 * NOW):
            woken += 1
        assert woken <= 2

    async def test_without_a_ring_waiting_ends(self, tmp_path: Path, stack: ExitStack) -> None:
        """With False."""
        [alone, _] = self.bells(stack, tmp_path / "a.db", 2)
        assert not await alone.wait(NOW)

    async def test_two_stores_do_not_hear_each_other(self, tmp_path: Path, stack: ExitStack) -> None:
        """Not even with files of the same name."""
        (tmp_path / "other").mkdir()
        [mine] = self.bells(stack, tmp_path / "a.db", 1)
        [theirs] = self.bells(stack, tmp_path / "other" / "a.db", 1)
        mine.ring()
        assert not await theirs.wait(NOW)

    async def test_the_dead_are_no_obstacle(self, tmp_path: Path, stack: ExitStack) -> None:
        """A process that was killed with its doorbell open leaves nothing that stops or slows the others."""
        ringer, listener = self.bells(stack, tmp_path / "a.db", 2)
        before = self.kept(tmp_path / "a.db")
        parent, child = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_hold, args=(self, tmp_path / "a.db", child))
        process.start()
        try:
            assert await asyncio.to_thread(parent.poll, 3 * SOON)
            ringer.ring()
            assert await listener.wait(SOON)
        finally:
            process.kill()
            await asyncio.to_thread(process.join)
        ringer.ring()
        assert await listener.wait(SOON)
        assert self.kept(tmp_path / "a.db") == before

    def kept(self, database: Path) -> int:
        """How many things the doorbells of a store keep on this machine; 0 if that cannot be seen."""
        return 0


def _hold(contract: DoorbellContract, database: Path, ready: "multiprocessing.connection.Connection") -> None:
    """In another process: open a doorbell, say so, and wait to be killed."""

    async def hold() -> None:
        doorbell = contract.open_doorbell(database)
        ready.send(True)
        while True:
            await doorbell.wait(SOON)

    asyncio.run(hold())
