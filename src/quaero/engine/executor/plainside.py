"""Plain functions: one at a time, on the main thread, with the process to itself.

A thread listens meanwhile: it takes cancellations, answers and further tasks while a function runs.
"""

import contextvars
import os
import select
import threading
import time
from typing import Any

from quaero.engine.context import JobContext
from quaero.engine.executor import endings
from quaero.engine.executor.application import Runnable
from quaero.engine.executor.calls import call_plain
from quaero.engine.executor.channel import Channel
from quaero.engine.executor.descriptors import Descriptors
from quaero.engine.executor.dispatch import receive
from quaero.engine.executor.guard import Guard
from quaero.engine.executor.runtime import Runtime

FLUSH_SECONDS = 0.001


class PlainSide:
    """The main thread as the one place where a plain function runs."""

    def __init__(self, runtime: Runtime, channel: Channel, guard: Guard, descriptors: Descriptors) -> None:
        self._runtime = runtime
        self._channel = channel
        self._guard = guard
        self._descriptors = descriptors
        self._arrived = threading.Condition()
        self._flushed_at = 0.0

    def run(self) -> None:
        """Run plain functions until the event loop has its turn, or until all is done."""
        self._runtime.is_plain = True
        with _Listener(self._channel, self._take, self._guard):
            while (found := self._next()) is not None:
                self._run_one(*found)
        self._flush()

    def _take(self) -> None:
        """On the listening thread: act on what came in."""
        messages = self._channel.receive()
        with self._arrived:
            for message in messages:
                receive(self._runtime, message)
            self._arrived.notify()
        if self._runtime.outbox.has_any:
            self._runtime.push()

    def _next(self) -> tuple[JobContext, Runnable] | None:
        """The next function to run, waiting for one; None when it is not ours to run."""
        runtime = self._runtime
        while True:
            with self._arrived:
                while not runtime.waiting or runtime.deliveries:
                    if runtime.is_stopping or runtime.deliveries:
                        return None
                    self._flush()
                    self._arrived.wait()
                task = runtime.waiting[0]
                runnable = runtime.find(task)
                if runnable is not None and not runnable.is_plain:
                    return None
                runtime.waiting.popleft()
                if runnable is not None:
                    job = JobContext(task, runtime)
                    runtime.running[task.job_id] = job
                    return job, runnable
            runtime.hand_back(task, endings.no_handler(task.kind))

    def _run_one(self, job: JobContext, runnable: Runnable) -> None:
        runtime = self._runtime
        with self._arrived:
            if job._why is not None:  # asked to stop since it was taken
                runtime.end(job, endings.UNTOUCHED)
                return
            runtime.begin(job)
        self._descriptors.begin(lambda descriptor: runtime.splitter(job, descriptor))
        runtime.plain_job = job
        if time.monotonic() - self._flushed_at > FLUSH_SECONDS:
            self._flush()  # nobody knows how long it will run: say that it has begun
        ending = contextvars.copy_context().run(call_plain, job, runnable)
        runtime.plain_job = None
        self._descriptors.end()
        with self._arrived:
            runtime.end(job, ending)

    def _flush(self) -> None:
        self._flushed_at = time.monotonic()
        self._runtime.push()


class _Listener:
    """A thread that calls `take` whenever the channel has something, until left."""

    def __init__(self, channel: Channel, take: Any, guard: Guard) -> None:
        self._channel = channel
        self._take = take
        self._guard = guard
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="quaero-listener", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)

    def _run(self) -> None:
        with self._guard:
            poll = select.poll()
            poll.register(self._channel.fileno(), select.POLLIN)
            poll.register(self._wake, select.POLLIN)
            while all(descriptor != self._wake for descriptor, _ in poll.poll()):
                self._take()
