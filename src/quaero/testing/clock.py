"""A clock that moves only when it is told to."""

import asyncio

START = 1_700_000_000_000_000  # microseconds since the epoch


class FakeClock:
    """Implements `quaero.clock.Clock`. Sleepers wake in the order of their deadlines."""

    def __init__(self, start: int = START) -> None:
        self._now = start
        self._start = start
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = 0

    def now(self) -> int:
        """Microseconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return (self._now - self._start) / 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Return when the clock was moved this far; at once for nothing or less."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake = asyncio.get_running_loop().create_future()
        self._arrivals += 1
        self._sleepers.append((self._now + round(seconds * 1_000_000), self._arrivals, wake))
        await wake

    def move(self, seconds: float) -> None:
        """Move the time without waking sleepers: for synchronous tests."""
        self._now += round(seconds * 1_000_000)

    async def advance(self, seconds: float) -> None:
        """Move the time, waking every sleeper that is due; each runs before the next wakes."""
        end = self._now + round(seconds * 1_000_000)
        while due := [sleeper for sleeper in self._sleepers if sleeper[0] <= end]:
            first = min(due, key=lambda sleeper: sleeper[:2])
            self._sleepers.remove(first)
            self._now = max(self._now, first[0])
            wake = first[2]
            if not wake.done():  # done: the sleeper was cancelled
                wake.set_result(None)
            await asyncio.sleep(0)
        self._now = end
