"""Something that happens once, on whichever thread, and can be waited for from coroutines and from plain code."""

import asyncio
import threading
from collections.abc import Callable, Generator


class Moment:
    """Not yet, then for ever done. Costs two slots until somebody waits for it."""

    __slots__ = ("_callbacks", "done")

    def __init__(self) -> None:
        self.done = False
        self._callbacks: list[Callable[[], object]] = []

    def fire(self) -> None:
        """Let it have happened, and wake all who wait. Again is harmless."""
        self.done = True
        while self._callbacks:
            try:
                callback = self._callbacks.pop(0)
            except IndexError:  # another thread took the last one
                return
            callback()

    def then(self, callback: Callable[[], object]) -> None:
        """Call back once it has happened, at once if it has."""
        self._callbacks.append(callback)
        if self.done:
            self.fire()

    def __await__(self) -> Generator[object, None, None]:
        if self.done:
            return
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self.then(lambda: loop.is_closed() or loop.call_soon_threadsafe(_settle, future))
        yield from future

    def wait(self, timeout: float | None = None) -> None:
        """Block until it has happened. Raises TimeoutError after `timeout` seconds, RuntimeError on an event loop."""
        if self.done:
            return
        if asyncio._get_running_loop() is not None:
            raise RuntimeError("this would stop the event loop and every job on it: await it instead")
        event = threading.Event()
        self.then(event.set)
        if not event.wait(timeout):
            raise TimeoutError(f"nothing came within {timeout} seconds")


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
