"""A thread that fetches what jobs wrote when nobody else does: lines leave soon, however busy a handler is."""

import threading
import time
from collections.abc import Callable

from quaero.engine.executor.guard import Guard

PAUSE_SECONDS = 0.02


class Flusher(threading.Thread):
    """Calls `collect` a little after each `wake`, once for all that came meanwhile, and again while it asks for it."""

    def __init__(self, collect: Callable[[], bool], guard: Guard) -> None:
        super().__init__(name="quaero-flusher", daemon=True)
        self._collect = collect
        self._guard = guard
        self._woken = threading.Event()
        self._is_awake = False

    def wake(self) -> None:
        """There is something to collect. Cheap when that was said before."""
        if not self._is_awake:
            self._is_awake = True
            self._woken.set()

    def run(self) -> None:
        """Collect for ever."""
        with self._guard:
            while True:
                self._woken.wait()
                self._woken.clear()
                time.sleep(PAUSE_SECONDS)
                self._is_awake = False
                if self._collect():
                    self.wake()
