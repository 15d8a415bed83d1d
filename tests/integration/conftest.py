"""An engine of the usual size, for tests that need nothing special of it."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.engine import Engine, running, settings_for

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def _importable() -> None:
    """Executors import the application of these tests, wherever they were started."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TOP), *(entry for entry in sys.path if entry)])


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """One worker with two executors."""
    async with running(settings_for(tmp_path, executors=2)) as engine:
        yield engine
