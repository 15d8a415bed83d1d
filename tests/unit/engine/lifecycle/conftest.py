"""A store on a temporary file, with a worker by hand; whatever a test does, the doctor must find nothing after it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.engine.examined import examined

from quaero.testing import Bench, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def bench(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Bench]:
    async with examined(tmp_path, clock) as bench:
        yield bench
