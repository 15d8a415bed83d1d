"""Descriptors 1 and 2: what child programs and C libraries write there becomes lines too.

Each is a pipe that a thread reads. While a plain job runs, the pipes are its own; at its end everything written so
far is in its lines, and the next job gets fresh pipes, so a program it left behind cannot write into another job's
log. What nobody owns (in an async executor, and from programs left behind) goes to the service log.
"""

import ctypes
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from quaero.engine.executor.guard import Guard
from quaero.engine.splitter import LineSplitter

READ_BYTES = 64 * 1024
DRAIN_SECONDS = 2.0

Find = Callable[[int], LineSplitter]  # a new splitter for what is written to descriptor 1 or 2

_flush_c_streams = ctypes.CDLL(None).fflush  # lets other threads run meanwhile: the pipe may be full


class Pipe:
    """One pipe behind descriptor 1 or 2, and whose output it carries."""

    def __init__(self, target: int, splitter: LineSplitter) -> None:
        self.target = target
        self.read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(write_end, True)
        os.dup2(write_end, target, inheritable=True)
        os.close(write_end)
        self._splitter = splitter
        self._lock = threading.Lock()
        self._is_closed = False

    def read(self, until: float | None = None) -> bool:
        """Take what is there, but begin no read after `until` (monotonic clock); whether more may follow."""
        with self._lock:
            while not self._is_closed:
                try:
                    data = os.read(self.read_end, READ_BYTES)
                except BlockingIOError:
                    return True
                if not data:
                    self._splitter.finish()
                    self._is_closed = True
                    os.close(self.read_end)
                    return False
                self._splitter.feed_bytes(data)
                if until is not None and time.monotonic() > until:
                    return True
        return False

    def hand_over(self, splitter: LineSplitter) -> None:
        """End the last line, and let what follows belong to someone else."""
        with self._lock:
            if not self._is_closed:
                self._splitter.finish()
                self._splitter = splitter


class Descriptors:
    """Both pipes, and the thread that reads them. `orphans` gives splitters for what nobody owns."""

    def __init__(self, orphans: Find, guard: Guard) -> None:
        self._orphans = orphans
        self._guard = guard
        self._epoll = select.epoll()
        self._watched: dict[int, Pipe] = {}
        self._current: list[Pipe] = []

    def start(self) -> None:
        """Take over the descriptors, and read them from now on."""
        self._current = [self._fresh(1), self._fresh(2)]
        threading.Thread(target=self._run, name="quaero-descriptors", daemon=True).start()

    def begin(self, own: Find) -> None:
        """From now on the output is a job's."""
        for pipe in self._current:
            pipe.read(time.monotonic() + DRAIN_SECONDS)
            pipe.hand_over(own(pipe.target))

    def end(self) -> None:
        """Give the job everything written so far; what follows on these pipes is nobody's."""
        for stream in (sys.__stdout__, sys.__stderr__):
            with suppress(OSError, ValueError):
                if stream is not None:
                    stream.flush()
        _flush_c_streams(None)
        before, self._current = self._current, [self._fresh(1), self._fresh(2)]
        until = time.monotonic() + DRAIN_SECONDS
        for pipe in before:
            if pipe.read(until):  # a program it started still holds the pipe
                pipe.hand_over(self._orphans(pipe.target))
            else:
                self._watched.pop(pipe.read_end, None)

    def _fresh(self, target: int) -> Pipe:
        pipe = Pipe(target, self._orphans(target))
        self._watched[pipe.read_end] = pipe
        self._epoll.register(pipe.read_end, select.EPOLLIN)
        return pipe

    def _run(self) -> None:
        with self._guard:
            while True:
                for descriptor, _ in self._epoll.poll():
                    pipe = self._watched.get(descriptor)
                    if pipe is not None and not pipe.read(until=0.0) and self._watched.get(descriptor) is pipe:
                        del self._watched[descriptor]
