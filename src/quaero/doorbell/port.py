"""A hint that something was recorded: may be lost, repeated or late without harm, so nothing may depend on it."""

import asyncio
from typing import Protocol


class Doorbell(Protocol):
    """Wakes the other processes of one store. Whoever waits also looks for itself now and then."""

    def ring(self) -> None:
        """Tell the others that something moved. Never blocks, never raises."""

    async def wait(self, timeout: float) -> bool:
        """Return True when somebody rang since the last wait, False after `timeout` seconds."""

    def close(self) -> None:
        """Stop listening."""


class Silence:
    """The doorbell of whoever has none: waiting for it is polling."""

    def ring(self) -> None:
        """Nobody hears it."""

    async def wait(self, timeout: float) -> bool:
        """Return False after `timeout` seconds."""
        await asyncio.sleep(timeout)
        return False

    def close(self) -> None:
        """There is nothing to close."""
