"""An engine to share, for tests that need nothing special of it."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.engine import Engine, running, settings_for

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Fixtures of a whole module live on one loop."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _importable() -> None:
    """Executors import the application of these tests, wherever they were started."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TOP), *(entry for entry in sys.path if entry)])


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    """One worker with two executors, shared by a module."""
    settings = settings_for(tmp_path_factory.mktemp("engine"), executors=2)
    async with running(settings) as engine:
        yield engine
