"""What every test may rely on: asyncio under anyio, and property tests that are bounded and do not watch the clock."""

import sys

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "quaero", max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("quaero")


@pytest.fixture
def anyio_backend() -> str:
    """Coroutine tests run on asyncio, the only loop Quaero runs on."""
    return "asyncio"


def pytest_sessionfinish() -> None:
    """Stop the PostgreSQL server of this process, if a test has started one."""
    if used := sys.modules.get("tests.postgres"):
        used.close()
