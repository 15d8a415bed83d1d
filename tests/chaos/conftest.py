"""Chaos runs on both stores: the embedded one, and a database of a real PostgreSQL."""

from collections.abc import Iterator

import pytest
from tests.postgres import fresh


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The address of a new store; None stands for the embedded one of the test's folder."""
    if request.param == "sqlite":
        yield None
    else:
        with fresh() as url:
            yield url
