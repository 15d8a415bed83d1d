"""One moment to be woken at: the earliest that was announced."""

import asyncio
from collections.abc import Callable

from quaero.clock import Clock


class Timer:
    """Calls `wake` at the earliest moment set; a later one set meanwhile changes nothing."""

    def __init__(self, clock: Clock, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._at = 0
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at: int) -> None:
        """Wake at `at` (microseconds since the epoch; 0: nothing to wait for)."""
        if not at or (self._at and self._at <= at):
            return
        if self._handle is not None:
            self._handle.cancel()
        self._at = at
        delay = max(0.0, (at - self._clock.now()) / 1e6)
        self._handle = asyncio.get_running_loop().call_later(delay, self._fire)

    def _fire(self) -> None:
        self._at = 0
        self._handle = None
        self._wake()
