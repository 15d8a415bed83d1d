"""What every test may rely on: asyncio under anyio, and property tests that are bounded and do not watch the clock."""

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
