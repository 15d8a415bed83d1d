"""One executor process as its worker sees it: the pipe, what it holds, how fast it is.

Knows nothing of the store. It turns frames into callbacks, keeps the list of tasks the executor holds, and when the
process is gone says what that means for each of them.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import cast

import msgspec

from quaero.clock import Clock
from quaero.domain.facts import Began, Ended, ErrorInfo, Fact, How
from quaero.engine.protocol import (
    LENGTH,
    Cancel,
    Facts,
    FromExecutor,
    Run,
    Setup,
    Sort,
    Task,
    decode_from_executor,
    frame,
)

MAX_FRAME = 64 * 1024 * 1024
RECENT_SECONDS = 0.05
ASYNC_SLACK_SECONDS = 2.0
STUCK_SECONDS = 20.0


class Held(msgspec.Struct, gc=False):
    """A task an executor holds. Times are monotonic seconds; 0 means not yet."""

    task: Task
    began: float = 0.0
    kill_at: float = 0.0
    verdict: How | None = None  # what a kill by us means for it


class Link(asyncio.Protocol):
    """The connection to one executor process."""

    def __init__(
        self,
        setup: Setup,
        on_message: Callable[["Link", FromExecutor], None],
        on_gone: Callable[["Link", list[Fact]], None],
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._killed = False
        self._moved_at = 0.0  # when it last said something, or was given something
        self.held: dict[int, Held] = {}
        self.sort: Sort | None = None  # what it runs now; None when it holds nothing
        self.exclusive = False  # it runs one job that must be alone
        self.fate = "is alive"
        self.ready = False
        self.was_ready = False
        self._finished: deque[tuple[float, int]] = deque()
        self._on_message = on_message
        self._on_gone = on_gone
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._setup = setup
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start the process; it answers with `Ready` or `Broken` when it has imported everything."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        command = [sys.executable, "-m", "quaero.engine.executor", str(theirs.fileno())]
        self._process = await asyncio.to_thread(
            subprocess.Popen,
            command,
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)
        self.send(self._setup)

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    # --- talking

    def send(self, message: msgspec.Struct) -> None:
        """Queue a frame; never blocks."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(message))

    def run(self, sort: Sort, tasks: list[Task]) -> None:
        """Hand over tasks of one sort."""
        self.sort = sort
        self._moved_at = time.monotonic()
        self.held.update({task.job_id: Held(task) for task in tasks})
        self.send(Run(tasks))

    def has_to_itself(self, task: Task) -> None:
        """This task runs alone here, and its start is recorded: whatever ends the process now was its doing."""
        self.exclusive = True
        self._begin(self.held[task.job_id])

    def stop(self, job_ids: list[int], why: str, kill_after: float, verdict: How) -> None:
        """Ask for jobs to end; those still here after `kill_after` seconds are killed with the process."""
        kill_at = time.monotonic() + kill_after
        asked = [self.held[i] for i in job_ids if i in self.held and self.held[i].verdict is None]
        for held in asked:
            held.kill_at, held.verdict = kill_at, verdict
        if asked:
            self.send(Cancel([held.task.job_id for held in asked], why))

    def pause(self) -> None:
        """Stop reading: the executor blocks when the pipe is full."""
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_reading() and not self._transport.is_closing():
            self._transport.resume_reading()
            self._moved_at = time.monotonic()

    # --- listening

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is one by shape only

    def data_received(self, data: bytes) -> None:
        """Cut frames out of what came in."""
        self._moved_at = time.monotonic()
        buffer = self._buffer
        buffer += data
        start, size = 0, len(buffer)
        while size - start >= 4:
            (length,) = LENGTH.unpack_from(buffer, start)
            if length > MAX_FRAME:
                self.kill()
                return
            end = start + 4 + length
            if end > size:
                break
            message = decode_from_executor(memoryview(buffer)[start + 4 : end])
            if isinstance(message, Facts):
                self._follow(message.facts)
            self._on_message(self, message)
            start = end
        del buffer[:start]

    def _follow(self, facts: list[Fact]) -> None:
        """Keep the list of what the executor holds up to date."""
        now = time.monotonic()
        ended = 0
        end = self.held.pop
        for fact in facts:
            if type(fact) is Ended:
                if end(fact.job_id, None) is not None:
                    ended += 1
            elif isinstance(fact, Began):
                held = self.held.get(fact.job_id)
                if held is not None:
                    self._begin(held)
        if ended:
            self._finished.append((now, ended))
            if not self.held:
                self.sort = None
                self.exclusive = False

    def _begin(self, held: Held) -> None:
        held.began = time.monotonic()
        if held.task.timeout and held.verdict is None:
            # an async handler is timed out by its executor; only one that never yields is still here later
            slack = ASYNC_SLACK_SECONDS if self.sort == Sort.ASYNC else 0.0
            held.kill_at = held.began + held.task.timeout / 1e6 + slack

    def recently_finished(self) -> int:
        """Tasks ended in the last 50 ms: how far ahead of its slots it may be given work."""
        edge = time.monotonic() - RECENT_SECONDS
        while self._finished and self._finished[0][0] < edge:
            self._finished.popleft()
        return sum(n for _, n in self._finished)

    # --- the end

    def overdue(self, now: float) -> list[Held]:
        """Tasks past the moment at which only a kill is left."""
        return [held for held in self.held.values() if held.kill_at and now >= held.kill_at]

    def quiet_for(self, now: float) -> float:
        """Seconds since it said something or was given a task."""
        return now - self._moved_at

    def is_stuck(self, now: float) -> bool:
        """Whether it has tasks and has begun none of them for so long that it never will."""
        if not self.held or now - self._moved_at < STUCK_SECONDS:
            return False
        if self._transport is None or not self._transport.is_reading():
            return False
        return not any(held.began for held in self.held.values())

    def kill(self) -> None:
        """End the process with everything it started."""
        self._killed = True
        self.end()

    def end(self) -> None:
        """The same when it is not known what it suffers from: what it holds may be to blame."""
        if self._process is not None and self._process.returncode is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                self._process.kill()

    def connection_lost(self, exc: Exception | None) -> None:
        """The pipe is closed: the process is gone or goes now; say what became of what it held."""
        self.ready = False
        self.end()
        code = self._process.wait() if self._process is not None else 0
        died = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self.fate = "was ended" if self._killed else f"died ({died})"
        now = self._clock.now()
        begun = sum(1 for held in self.held.values() if held.began)
        # on an event loop others may have begun of which it had no time to tell
        alone = self.exclusive or (begun == 1 and (self.sort == Sort.PLAIN or len(self.held) == 1))
        last_words: list[Fact] = [self._last_word(held, died, alone, now) for held in self.held.values()]
        self.held.clear()
        self._on_gone(self, last_words)

    def _last_word(self, held: Held, died: str, alone: bool, now: int) -> Ended:
        """The end of a task whose executor is gone, `died` with this signal or exit code."""
        task = held.task
        began_at = now - round((time.monotonic() - held.began) * 1e6) if held.began else 0

        def ended(how: How, kind: str, message: str) -> Ended:
            error = ErrorInfo(kind, message)
            return Ended(task.job_id, task.epoch, now, began_at, how, None, error)

        if held.verdict is not None and held.kill_at and time.monotonic() >= held.kill_at:
            if held.verdict == How.TIMED_OUT:
                return ended(
                    How.TIMED_OUT, "TimedOut", f"timed out after {task.timeout / 1e6:g} s, its process was killed"
                )
            return ended(held.verdict, "Killed", "did not stop in time, its process was killed")
        if self._killed:
            how = How.REFUNDED if held.began else How.UNTOUCHED
            return ended(how, "NeighbourKilled", "stopped because another job in its process had to be killed")
        if held.began and alone:
            return ended(How.FAILED, "ProcessDied", f"its process died ({died})")
        return ended(How.LOST, "ProcessLost", "its process died while it ran several jobs")
