"""An engine of the usual size, and the command line in a folder of its own."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests import postgres
from tests.integration.engine import STORES, Engine, running, settings_for
from tests.integration.program import Program

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def _importable() -> None:
    """Executors import the application of these tests, wherever they were started."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TOP), *(entry for entry in sys.path if entry)])


@pytest.fixture(autouse=True)
def kind_of_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the engine of `tmp_path` keeps its jobs; tests of the engine are marked to run on both."""
    kind: str = getattr(request, "param", "sqlite")
    if kind == "sqlite":
        yield kind
        return
    with postgres.fresh() as url:
        STORES[tmp_path] = url
        yield kind
        del STORES[tmp_path]


@pytest.fixture
async def engine(tmp_path: Path, kind_of_store: str) -> AsyncIterator[Engine]:
    """One worker with two executors."""
    async with running(settings_for(tmp_path, executors=2)) as engine:
        yield engine


@pytest.fixture
def program(tmp_path: Path, kind_of_store: str) -> Iterator[Program]:
    """The command line in a folder of its own."""
    program = Program(tmp_path, url=STORES.get(tmp_path))
    yield program
    program.close()
