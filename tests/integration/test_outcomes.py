"""What becomes of a handler: results, errors, retries, timeouts; recorded as it happened."""

import pytest
from tests.integration.engine import Engine, error, result, status

pytestmark = pytest.mark.anyio


async def test_results_of_both_sorts_of_handler_are_kept(engine: Engine) -> None:
    async_id = await engine.submit("add", {"a": 2, "b": 3})
    plain_id = await engine.submit("add_plain", {"a": 4})

    added, plain = await engine.ended(async_id), await engine.ended(plain_id)

    assert (status(added), result(added)) == ("completed", 5)
    assert (status(plain), result(plain)["sum"]) == ("completed", 5)
    assert f"in process {result(plain)['pid']}" in await engine.texts(plain_id)
