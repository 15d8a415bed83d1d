"""What a listener waits on: that somebody rang since it waited last."""

import asyncio


class Rung:
    """Rings count as one until they are waited for. Of one event loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Somebody rang."""
        self._event.set()

    async def wait(self, timeout: float) -> bool:
        """Return True when somebody rang since the last wait, False after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
