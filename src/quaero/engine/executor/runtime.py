"""What both sides of an executor share: the tasks at hand, and everything a JobContext asks of its process.

It is the contexts' `Host`. Facts of a job leave in the order in which they happened; its end is the last of them, and
what is written for a job after that is nobody's.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from quaero.domain.entries import Level
from quaero.domain.facts import Ended, ErrorInfo, How, Lines, Progressed, Spawned
from quaero.engine.context import JobContext, current
from quaero.engine.executor.application import Application, Runnable
from quaero.engine.executor.capture import JobLogger
from quaero.engine.executor.endings import UNTOUCHED, Ending
from quaero.engine.executor.lines import CONTINUED, LineBuffer, OrphanLines
from quaero.engine.executor.outbox import Outbox
from quaero.engine.executor.questions import Questions
from quaero.engine.masking import Mask
from quaero.engine.protocol import Ask, Deliver, Orphans, Setup, Task
from quaero.engine.registry import App
from quaero.engine.splitter import LineSplitter
from quaero.failpoints import failpoint

PROGRESS_SECONDS = 0.1
STREAM_LEVELS = {1: Level.INFO, 2: Level.WARN}


def now() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1_000


class Runtime:
    """One executor's state. `wake` asks for a `collect` soon; the side that is running sets `is_plain`."""

    def __init__(self, setup: Setup, outbox: Outbox) -> None:
        self.setup = setup
        self.outbox = outbox
        self.is_plain = False
        self.is_stopping = False
        self.waiting: deque[Task] = deque()
        self.deliveries: deque[Deliver] = deque()
        self.running: dict[int, JobContext] = {}
        self.plain_job: JobContext | None = None  # owns output that no context variable claims
        self.questions = Questions()
        self.wake: Callable[[], None] = lambda: None
        self.application = Application(App(), {}, [])
        self._dirty: deque[LineBuffer] = deque()
        self._stirred: set[JobContext] = set()
        self.max_line, self.cap = setup.max_line, setup.max_log_bytes
        self.mask = Mask(setup.secret_names, setup.secrets)
        self.lock: AbstractContextManager[Any] = outbox.lock
        self.orphans: LineBuffer = OrphanLines(self, None)
        self._orphan_streams = [self.orphan_splitter(1), self.orphan_splitter(2)]

    # --- what contexts ask

    def kind_of(self, handler: str | Callable[..., Any]) -> str:
        """The kind of a name or function."""
        return self.application.app.kind_of(handler)

    def names_of(self, kind: str) -> frozenset[str]:
        """The arguments of a kind."""
        runnable = self.application.runnable.get(kind)
        return runnable.names if runnable is not None else frozenset()

    def logger(self, job: JobContext) -> logging.Logger:
        """A job's own logger."""
        return JobLogger.of(job.kind, lambda: self.lines_of(job))

    def stir(self, job: JobContext) -> None:
        """Fetch a job's news soon."""
        self._stirred.add(job)
        self.wake()

    def put_spawned(self, job: JobContext, spawned: Spawned, size: int) -> None:
        """Put children among the facts, after the lines written before them."""
        with self.lock:
            if job._lines is not None:
                job._lines.pack()
            failpoint("spawn.before_send")
            self.outbox.put(spawned, size)
        self.wake()

    def push(self) -> None:
        """Send everything now."""
        self.outbox.push()

    async def ask(self, job: JobContext, what: str) -> Any:
        """The store's answer, for an async handler."""
        number, question = self.questions.new()
        self.outbox.say(Ask(number, job._task.job_id, what))
        await question.answered
        return question.value()

    def ask_and_wait(self, job: JobContext, what: str) -> Any:
        """The store's answer, for a plain handler."""
        number, question = self.questions.new()
        self.outbox.say(Ask(number, job._task.job_id, what))
        question.answered.wait()
        return question.value()

    def __enter__(self) -> object:
        return self.lock.__enter__()

    def __exit__(self, *_: object) -> None:
        self.lock.__exit__(None, None, None)

    # --- output

    def here(self) -> LineBuffer:
        """The lines of the job whose code is running; the orphans' outside of one."""
        job = current.get() or self.plain_job
        return self.lines_of(job) if job is not None else self.orphans

    def lines_of(self, job: JobContext) -> LineBuffer:
        """A job's lines; the orphans' once it is over."""
        if job._is_over:
            return self.orphans
        lines: LineBuffer | None = job._lines
        if lines is None:
            with self.lock:
                if job._lines is None:
                    job._lines = LineBuffer(self, job._task)
                lines = job._lines
        return lines

    def stream(self, descriptor: int) -> LineSplitter:
        """The splitter for what the running code writes to standard output (1) or error (2)."""
        job = current.get() or self.plain_job
        if job is None or job._is_over:
            return self._orphan_streams[descriptor - 1]
        extras = job._more()
        if extras.streams is None:
            extras.streams = [self.splitter(job, 1), self.splitter(job, 2)]
        found: LineSplitter = extras.streams[descriptor - 1]
        return found

    def splitter(self, job: JobContext, descriptor: int) -> LineSplitter:
        """A new stream of a job's output."""
        level = STREAM_LEVELS[descriptor]
        if level < self.setup.min_level:
            return LineSplitter(lambda line, continued: None, self.setup.max_line)
        return LineSplitter(
            lambda line, continued: self.lines_of(job).add(now(), level, line, CONTINUED if continued else None),
            self.setup.max_line,
        )

    def orphan_splitter(self, descriptor: int) -> LineSplitter:
        """A new stream of output nobody owns."""
        level = STREAM_LEVELS[descriptor]
        return LineSplitter(
            lambda line, continued: self.orphans.add(now(), level, line, CONTINUED if continued else None),
            self.setup.max_line,
        )

    def tell(
        self, owner: Task | None, count: int, levels: int, first_at: int, last_at: int, body: bytes, originator: int
    ) -> None:
        """Put lines among the facts."""
        if owner is None:
            self.outbox.put_orphans(Orphans(count, levels, first_at, last_at, body))
        else:
            lines = Lines(owner.job_id, owner.epoch, count, levels, first_at, last_at, body, originator)
            self.outbox.put(lines, len(body))

    def mark(self, lines: LineBuffer) -> None:
        """Pack these lines soon."""
        self._dirty.append(lines)
        self.wake()

    def collect(self) -> bool:
        """Put every job's news among the facts; whether some of it must wait for its time."""
        with self.lock:
            for _ in range(len(self._dirty)):
                lines = self._dirty.popleft()
                if lines.is_closed:  # written while its job was ending
                    for line in lines.take():
                        self.orphans.add(*line)
                else:
                    lines.pack()
            later = []
            while self._stirred:
                job = self._stirred.pop()
                if not job._is_over and not self._tell_news(job):
                    later.append(job)
            self._stirred.update(later)
        return bool(later)

    def _tell_news(self, job: JobContext) -> bool:
        """Put a job's children and, if enough time has passed, its progress; whether that is all."""
        extras = job._more()
        if extras.spawns is not None:
            extras.spawns.close_batch()
        if extras.progress is None and not extras.counts:
            return True
        moment = time.monotonic()
        if moment - extras.told_at < PROGRESS_SECONDS:
            return False
        extras.told_at = moment
        self._tell_progress(job)
        return True

    def _tell_progress(self, job: JobContext) -> None:
        extras = job._more()
        counts, extras.counts = extras.counts or {}, None
        current, total, message = extras.progress or (None, None, None)
        extras.progress = None
        message = self.mask.text(message) if message else message
        task = job._task
        self.outbox.put(Progressed(task.job_id, task.epoch, current, total, message, counts))

    # --- the ends of jobs

    def begin(self, job: JobContext) -> None:
        """Note that a handler begins now."""
        job._began_at = now()
        self.outbox.began(job)
        self.wake()
        failpoint("executor.began")

    def end(self, job: JobContext, ending: Ending) -> None:
        """Tell everything a job still has to say, and then its end."""
        task = job._task
        if ending.how == How.FAILED and ending.error is not None:
            self._log_failure(job, ending.error)
        extras = job._extras
        if extras is not None or job._lines is not None:
            self._close(job)
        failpoint("executor.before_ended")
        how, result, error = self._masked(ending)
        documents = (extras.documents or []) if extras is not None and how == How.COMPLETED else []
        size = len(result) if result is not None else 0
        size += sum(len(document.text) for document in documents) if documents else 0
        self.outbox.put(Ended(task.job_id, task.epoch, now(), job._began_at, how, result, error, documents), size)
        job._is_over = True
        if self.running.get(task.job_id) is job:
            del self.running[task.job_id]
        failpoint("executor.after_ended")

    def _log_failure(self, job: JobContext, error: ErrorInfo) -> None:
        """A failure's traceback is the last line of its log; one that was asked for is a warning."""
        level = Level.ERROR if error.traceback or error.final else Level.WARN
        if level >= self.setup.min_level:
            message = error.traceback.rstrip() or f"{error.type}: {error.message}"
            self.lines_of(job).add(now(), level, message)

    def hand_back(self, task: Task, ending: Ending = UNTOUCHED) -> None:
        """Tell the end of a task that never began."""
        began_at = now() if ending.how != How.UNTOUCHED else 0
        self.outbox.put(Ended(task.job_id, task.epoch, now(), began_at, *self._masked(ending)))

    def _masked(self, ending: Ending) -> Ending:
        error = ending.error
        if error is None:
            return ending
        told, trace = self.mask.text(error.message), self.mask.text(error.traceback)
        return ending._replace(error=msgspec.structs.replace(error, message=told, traceback=trace))

    def find(self, task: Task) -> Runnable | None:
        """What runs a task."""
        return self.application.runnable.get(task.kind)

    def _close(self, job: JobContext) -> None:
        extras = job._extras
        for stream in (extras.streams or ()) if extras is not None else ():
            stream.finish()
        with self.lock:
            if extras is not None and extras.spawns is not None:
                extras.spawns.close_batch()
                extras.spawns.drop(f"job {job.id} is over")
            if extras is not None and (extras.progress is not None or extras.counts):
                self._tell_progress(job)
            if job._lines is not None:
                job._lines.close()
            self._stirred.discard(job)
        if extras is not None:
            extras.log = extras.streams = None  # they know the job: leave no cycle behind
