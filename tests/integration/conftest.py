"""An engine of the usual size, and the command line in a folder of its own."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.integration.engine import Engine, running, settings_for
from tests.integration.program import Program

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


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """The command line in a folder of its own."""
    program = Program(tmp_path)
    yield program
    program.close()
