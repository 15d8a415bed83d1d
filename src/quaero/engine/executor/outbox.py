"""Facts on their way to the worker, in the order in which they happened, many to a frame.

The start of a job is told with the first frame after it, unless the job has ended by then: its end says when it
began. Putting is free of locks; whoever sends takes everything that was put. One lock orders senders, and is what
`Host` lends to contexts.
"""

import threading
from collections import deque
from typing import Protocol

from quaero.domain.facts import Began, Fact
from quaero.engine.context import JobContext
from quaero.engine.protocol import Ask, Delivered, Facts, FromExecutor, Orphans

FRAME_FACTS = 500
FRAME_BYTES = 256 * 1024


class Sender(Protocol):
    """Where facts go: the channel to the worker, or whoever stands in for it."""

    def send(self, message: FromExecutor) -> None:
        """Send one message whole."""


class Outbox:
    """Everything told and not yet sent."""

    def __init__(self, channel: Sender) -> None:
        self.lock = threading.RLock()
        self._channel = channel
        self._facts: deque[Fact] = deque()
        self._new: deque[JobContext] = deque()
        self._others: deque[Ask | Delivered | Orphans] = deque()
        self._bytes = 0
        self._is_pushing = False
        self._may_send = False

    def began(self, job: JobContext) -> None:
        """Note that a handler has begun."""
        self._new.append(job)

    def put(self, fact: Fact, size: int = 0) -> None:
        """Put a fact of about `size` bytes; beyond a frame's worth, it is sent before this returns."""
        self._facts.append(fact)
        self._bytes += size
        if self._bytes >= FRAME_BYTES or len(self._facts) >= FRAME_FACTS:
            self.push()

    def put_orphans(self, orphans: Orphans) -> None:
        """Put lines nobody owns."""
        self._others.append(orphans)
        self._bytes += len(orphans.body)
        if self._bytes >= FRAME_BYTES:
            self.push()

    def say(self, message: Ask | Delivered) -> None:
        """Send something that is no fact, after everything that was put before it."""
        self._others.append(message)
        self.push()

    def open(self) -> None:
        """Begin to send: the worker has been told that the executor is ready."""
        self._may_send = True
        self.push()

    @property
    def has_any(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._facts or self._new or self._others)

    def push(self) -> None:
        """Send everything. Blocks while the pipe is full. Raises OSError when the worker is gone."""
        with self.lock:
            if self._is_pushing or not self._may_send:  # a finaliser may log while this thread is sending
                return
            self._is_pushing = True
            try:
                self._bytes = 0
                facts = self._take()
                if facts:
                    self._channel.send(Facts(facts))
                while self._others:
                    self._channel.send(self._others.popleft())
            finally:
                self._is_pushing = False

    def _take(self) -> list[Fact]:
        """What was put, after the starts of jobs that still run. Taken in this order, no fact precedes its start."""
        begun: list[Fact] = [_start_of(job) for job in self._begun() if not job._is_over]
        put = [self._facts.popleft() for _ in range(len(self._facts))]
        begun += [_start_of(job) for job in self._begun()]  # begun between these lines, by another thread
        return begun + put if begun else put

    def _begun(self) -> list[JobContext]:
        return [self._new.popleft() for _ in range(len(self._new))]


def _start_of(job: JobContext) -> Began:
    return Began(job._task.job_id, job._task.epoch, job._began_at)
