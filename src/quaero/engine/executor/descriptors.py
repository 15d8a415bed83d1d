"""Descriptors 1 and 2: what child programs and C libraries write there becomes lines too.

Each is a pipe that a thread reads. While a plain job runs, the pipes are its own; at its end everything written so
far is in its lines. After a job that used them, or ran any program, the next job gets fresh pipes: a program left
behind cannot write into another job's log. What nobody owns (in an async executor, and from programs left behind)
goes to the service log.
"""

import ctypes
import os
import resource
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

    def __init__(self, target: int, owner: Find) -> None:
        self.target = target
        self.is_used = False  # whether its owner wrote anything
        self.read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(write_end, True)
        os.dup2(write_end, target, inheritable=True)
        os.close(write_end)
        self._owner = owner
        self._splitter: LineSplitter | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def read(self, until: float) -> bool:
        """Take what is there, but begin no read after `until` (monotonic clock); whether more may follow."""
        with self._lock:
            while not self._is_closed:
                try:
                    data = os.read(self.read_end, READ_BYTES)
                except BlockingIOError:
                    return True
                if not data:
                    self._finish()
                    self._is_closed = True
                    os.close(self.read_end)
                    return False
                self.is_used = True
                if self._splitter is None:
                    self._splitter = self._owner(self.target)
                self._splitter.feed_bytes(data)
                if time.monotonic() > until:
                    return True
        return False

    def hand_over(self, owner: Find) -> None:
        """End the last line, and let what follows belong to someone else."""
        with self._lock:
            self._finish()
            self._owner = owner
            self.is_used = False

    def _finish(self) -> None:
        splitter, self._splitter = self._splitter, None
        if splitter is not None:
            splitter.finish()


class Descriptors:
    """Both pipes, and the thread that reads them. `orphans` gives splitters for what nobody owns."""

    def __init__(self, orphans: Find, guard: Guard) -> None:
        self._orphans = orphans
        self._guard = guard
        self._epoll = select.epoll()
        self._watched: dict[int, Pipe] = {}
        self._current: list[Pipe] = []
        self._children_before: object = None

    def start(self) -> None:
        """Take over the descriptors, and read them from now on."""
        self._current = [self._fresh(1), self._fresh(2)]
        self._children_before = _reaped()
        threading.Thread(target=self._run, name="quaero-descriptors", daemon=True).start()

    def begin(self, owner: Find) -> None:
        """From now on the output is a job's."""
        self._read_all()
        for pipe in self._current:
            pipe.hand_over(owner)

    def end(self) -> None:
        """Give the job everything written so far; what follows is nobody's."""
        for stream in (sys.__stdout__, sys.__stderr__):
            with suppress(OSError, ValueError):
                if stream is not None:
                    stream.flush()
        _flush_c_streams(None)
        self._read_all()
        children, self._children_before = self._children_before, _reaped()
        if children != self._children_before or any(pipe.is_used for pipe in self._current) or _has_children():
            self._replace()
        else:
            for pipe in self._current:
                pipe.hand_over(self._orphans)

    def _read_all(self) -> None:
        if self._epoll.poll(0):
            until = time.monotonic() + DRAIN_SECONDS
            for pipe in self._current:
                pipe.read(until)

    def _replace(self) -> None:
        before, self._current = self._current, [self._fresh(1), self._fresh(2)]
        until = time.monotonic() + DRAIN_SECONDS
        for pipe in before:
            if pipe.read(until):  # a program it started still holds the pipe
                pipe.hand_over(self._orphans)
            elif self._watched.get(pipe.read_end) is pipe:
                del self._watched[pipe.read_end]

    def _fresh(self, target: int) -> Pipe:
        pipe = Pipe(target, self._orphans)
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


def _reaped() -> object:
    """Something that changes whenever a child process was run and waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_minflt, usage.ru_utime, usage.ru_stime


def _has_children() -> bool:
    """Whether a child process is there, alive or not waited for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
