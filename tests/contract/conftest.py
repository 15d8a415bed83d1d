"""Three sessions of one PostgreSQL store."""

from collections.abc import AsyncIterator

import pytest
from tests.contract.sessions import Table, seated


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    async with seated() as table:
        yield table
