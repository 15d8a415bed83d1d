"""One thread that writes: everything waiting goes into one transaction, one commit, then all are answered.

No timers: a batch is what arrived while the last commit was under way, so batches grow exactly when commits are slow.
A batch that raised is rolled back and run again script by script, so a bad one harms nobody else.
"""

import queue
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from quaero.domain.errors import StoreLocked, StoreUnavailable

MAX_BATCH = 256

OnCommit = Callable[[Collection[int], bool], None]
"""Told of every commit that changed something, on the writer's thread: the trees in which something was recorded, and
whether there is something new to do or to stop."""


def tell_nobody(trees: Collection[int], work: bool) -> None:
    """Nobody wants to know of commits."""


@dataclass(frozen=True, slots=True)
class Request:
    """A script waiting to be run, and where its answer goes."""

    script: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    answer: "Future[Any]"


class Transactions(Protocol):
    """Runs work inside one transaction."""

    def transact(self, work: Callable[[Any], Any]) -> Any:
        """Run `work` with a ledger, flush and commit; roll back and raise if it raised."""

    def rest(self) -> None:
        """Upkeep that no answer has to wait for. Never raises."""


class GroupCommit:
    """The writer thread of one process."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._closed = False
        self._door = threading.Lock()  # nothing may be put behind the last request
        self._busy_since = 0.0
        self.commits = 0
        self._thread = threading.Thread(target=self._run, name="quaero-writer", daemon=True)
        self._thread.start()

    def submit(self, script: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> "Future[Any]":
        """Queue a script; the future is done after its commit."""
        answer: Future[Any] = Future()
        with self._door:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            self._waiting.put(Request(script, args, kwargs, answer))
        return answer

    @property
    def stalled(self) -> float:
        """Seconds since the batch under way was begun, 0 when there is none: a disk that hangs shows here."""
        since = self._busy_since
        return time.monotonic() - since if since else 0.0

    def close(self) -> None:
        """Run what is waiting, then stop the thread."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, last = self._gather(first)
            if batch:
                self._busy_since = time.monotonic()
                self._commit(batch)
                self._transactions.rest()
                self._busy_since = 0.0
            if last:
                return

    def _gather(self, first: Request) -> tuple[list[Request], bool]:
        batch = [first] if first.answer.set_running_or_notify_cancel() else []
        while len(batch) < MAX_BATCH:
            try:
                request = self._waiting.get_nowait()
            except queue.Empty:
                break
            if request is None:
                return batch, True
            if request.answer.set_running_or_notify_cancel():
                batch.append(request)
        return batch, False

    def _commit(self, batch: list[Request]) -> None:
        try:
            results = self._transactions.transact(lambda ledger: [r.script(ledger, *r.args, **r.kwargs) for r in batch])
        except BaseException as error:
            if len(batch) == 1 or isinstance(error, StoreLocked):  # no script is to blame, and each would wait as long
                for request in batch:
                    request.answer.set_exception(error)
            else:
                for request in batch:
                    self._commit([request])
            return
        self.commits += 1
        for request, result in zip(batch, results, strict=True):
            request.answer.set_result(result)
