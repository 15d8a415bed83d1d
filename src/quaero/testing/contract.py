"""What the parts of the store's contract share: a store to open, a clock of its own, a worker by hand."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from quaero.storage.port import Store
from quaero.testing.bench import Bench
from quaero.testing.clock import FakeClock
from quaero.testing.drive import Hand


class StoreTests(ABC):
    """Base of the parts of `StoreContract`."""

    pytestmark = pytest.mark.anyio

    @abstractmethod
    def open_store(self, folder: Path, clock: FakeClock) -> AbstractAsyncContextManager[Store]:
        """Open the store kept in `folder`, or make it. Opened twice at once, both are the same store."""

    def findings(self, folder: Path, clock: FakeClock) -> list[Any]:
        """What is wrong with the closed store in `folder`; looked at after every test that used `bench`."""
        return []

    @pytest.fixture
    def clock(self) -> FakeClock:
        """A clock that tests move."""
        return FakeClock()

    @pytest.fixture
    async def bench(self, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Bench]:
        """A store with one worker; it must be in order when the test is over."""
        async with self.open_store(tmp_path, clock) as store:
            yield await Bench.set_up(store, clock)
        assert self.findings(tmp_path, clock) == []

    @pytest.fixture
    async def beside(self, bench: Bench, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Hand]:
        """A worker on another opening of the same store, with a writer thread of its own."""
        async with self.open_store(tmp_path, clock) as other:
            yield await Hand.start(other, bench.hand.kinds)
