"""What is under way in the name of a credential ends when the credential does."""

import asyncio

import pytest

from quaero.domain.access import Access
from quaero.gateway.auth.principal import Principal
from quaero.gateway.gate import answered_for

pytestmark = pytest.mark.anyio


async def test_closing_a_principal_ends_its_streams_and_nothing_else() -> None:
    revoked, other = Principal("token a", Access.VIEWER), Principal("token b", Access.VIEWER)
    cleaned_up, never = asyncio.Event(), asyncio.Event()

    async def stream() -> None:
        try:
            await never.wait()
        finally:
            cleaned_up.set()

    streams = [asyncio.create_task(answered_for(revoked, stream())) for _ in range(3)]
    staying = asyncio.create_task(answered_for(other, never.wait()))
    while not (revoked.is_busy and other.is_busy):
        await asyncio.sleep(0)
    revoked.close()
    await asyncio.gather(*streams)

    assert cleaned_up.is_set()
    assert not revoked.is_busy
    assert not staying.done()
    never.set()
    await staying


async def test_a_request_that_is_cancelled_for_another_reason_stays_cancelled() -> None:
    principal = Principal("token a", Access.VIEWER)
    stream = asyncio.create_task(answered_for(principal, asyncio.Event().wait()))
    while not principal.is_busy:
        await asyncio.sleep(0)

    stream.cancel()

    with pytest.raises(asyncio.CancelledError):
        await stream
