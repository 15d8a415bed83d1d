"""`job.cancelled`: a flag for code that looks now and then, and something to await for code that waits."""

import asyncio
from collections.abc import Generator

from quaero.engine.moment import Moment


class Cancelled:
    """False until the job is asked to stop (cancelled, or out of time), then True for good.

    A coroutine that awaits it is woken instead of being interrupted; any other `await` of the handler is interrupted
    with asyncio's CancelledError when the job is asked to stop.
    """

    __slots__ = ("_moment", "_waiting")

    def __init__(self) -> None:
        self._moment = Moment()
        self._waiting: set[asyncio.Task[object] | None] = set()

    def __bool__(self) -> bool:
        return self._moment.done

    def __await__(self) -> Generator[object, None, None]:
        task = asyncio.current_task()
        self._waiting.add(task)
        try:
            yield from self._moment.__await__()
        finally:
            self._waiting.discard(task)

    def wait(self, timeout: float | None = None) -> bool:
        """For plain handlers: sleep until asked to stop, at most `timeout` seconds; whether it was asked."""
        try:
            self._moment.wait(timeout)
        except TimeoutError:
            return False
        return True

    def ask(self) -> None:
        """Ask the job to stop."""
        self._moment.fire()

    def is_awaited_by(self, task: "asyncio.Task[object] | None") -> bool:
        """Whether this task sits in an `await job.cancelled` at the moment."""
        return task in self._waiting
