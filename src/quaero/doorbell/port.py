"""A hint that something was recorded: may be lost, repeated or late without harm, so nothing may depend on it."""

import asyncio
from collections.abc import Collection
from typing import Protocol


class Doorbell(Protocol):
    """Wakes the other processes of one store. Whoever waits also looks for itself now and then."""

    def ring(self, trees: Collection[int] = (), work: bool = True) -> None:
        """Tell the others that something was recorded in these trees; `work`: there is something to do, or to stop.

        Never blocks, never raises.
        """

    def heed(self, trees: Collection[int], work: bool) -> None:
        """Say what wakes this listener from now on: what is recorded in these trees, and (`work`) what is to do.

        Until this is said it heeds work alone. It may be woken for other things all the same.
        """

    async def wait(self, timeout: float) -> bool:
        """Return True when somebody rang since the last wait, False after `timeout` seconds."""

    def close(self) -> None:
        """Stop listening."""


class Silence:
    """The doorbell of whoever has none: waiting for it is polling."""

    def ring(self, trees: Collection[int] = (), work: bool = True) -> None:
        """Nobody hears it."""

    def heed(self, trees: Collection[int], work: bool) -> None:
        """There is nothing to heed."""

    async def wait(self, timeout: float) -> bool:
        """Return False after `timeout` seconds."""
        await asyncio.sleep(timeout)
        return False

    def close(self) -> None:
        """There is nothing to close."""
