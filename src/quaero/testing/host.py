"""Handlers in this process: what an executor is to a worker, `InlineHost` is to a test.

Coroutines run on the test's own event loop, plain functions in threads. Facts gather here until they are fetched.
"""

import asyncio
import contextvars
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import IO, Any

from quaero.domain.facts import Fact
from quaero.engine.context import JobContext, current
from quaero.engine.executor import endings
from quaero.engine.executor.application import Application, Runnable
from quaero.engine.executor.calls import call_async, call_plain
from quaero.engine.executor.capture import JobHandler, QuickLogger
from quaero.engine.executor.dispatch import ask_to_stop, receive
from quaero.engine.executor.endings import Ending
from quaero.engine.executor.lines import LineBuffer
from quaero.engine.executor.outbox import Outbox
from quaero.engine.executor.runtime import Runtime
from quaero.engine.executor.streams import StreamWriter
from quaero.engine.lifecycle.round import Round
from quaero.engine.protocol import Ask, Facts, FromExecutor, Reply, Setup, SpawnAnswer, Task
from quaero.engine.worker.questions import answer_question
from quaero.storage.port import Store

LATER_SECONDS = 0.02


class _Runtime(Runtime):
    """One event loop's, or one plain function's, side of the host."""

    def logger(self, job: JobContext) -> logging.Logger:
        """A job's own logger: it hears everything, whatever the level of the root logger of the tests."""
        logger = super().logger(job)
        logger.level = logging.DEBUG
        return logger


class _Stream(StreamWriter):
    """Standard output or error: a job's where one runs, the test's own elsewhere."""

    def __init__(self, descriptor: int, original: IO[str]) -> None:
        super().__init__(descriptor, lambda number: _runtime_of(current.get()).stream(number))
        self._original = original

    def write(self, text: str, /) -> int:
        """Take text."""
        job = current.get()
        return super().write(text) if job is not None and not job._is_over else self._original.write(text)

    def flush(self) -> None:
        """Hand on what is not a job's."""
        self._original.flush()


def _runtime_of(job: JobContext | None) -> Runtime:
    assert job is not None
    assert isinstance(job._host, Runtime)
    return job._host


class InlineHost:
    """Runs tasks while entered; then standard output and logging of jobs are captured."""

    def __init__(self, application: Application, store: Store) -> None:
        self._application = application
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._facts: deque[Fact] = deque()  # threads tell, too
        self._failure: BaseException | None = None  # of ours
        self._shared = self._runtime(is_plain=False)
        self._runtimes: dict[int, tuple[int, Runtime]] = {}  # by job: its epoch, and where it runs
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> "InlineHost":
        self._before = sys.stdout, sys.stderr, getattr(QuickLogger, "ours", None)
        sys.stdout, sys.stderr = _Stream(1, sys.stdout), _Stream(2, sys.stderr)
        self._handler = QuickLogger.ours = JobHandler(self._here, 0)
        logging.getLogger().addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._handler)
        sys.stdout, sys.stderr, ours = self._before
        if ours is not None:
            QuickLogger.ours = ours
        for task in self._tasks:
            task.cancel()

    # --- what the round asks

    @property
    def held(self) -> list[tuple[int, int]]:
        """(id, epoch) of every job that runs here."""
        return [(job_id, epoch) for job_id, (epoch, _) in self._runtimes.items()]

    @property
    def has_facts(self) -> bool:
        """Whether something was told and not fetched."""
        return bool(self._facts)

    def facts(self) -> list[Fact]:
        """Fetch what was told."""
        self._news.clear()
        is_more = [_flush(runtime) for runtime in {self._shared, *(one for _, one in self._runtimes.values())}]
        if any(is_more):
            self._loop.call_later(LATER_SECONDS, self._news.set)
        if self._failure is not None:
            raise self._failure
        return [self._facts.popleft() for _ in range(len(self._facts))]

    async def stirred(self) -> None:
        """Wait until something was told."""
        await self._news.wait()

    def answer(self, answer: Round) -> None:
        """Pass on what a round brought: ids of children, jobs to stop, jobs to begin."""
        for reply in answer.recorded.answers:
            _, runtime = self._runtimes.get(reply.job_id, (0, self._shared))
            receive(runtime, SpawnAnswer(reply.job_id, reply.epoch, reply.token, reply.ids, reply.error))
        for job_id in answer.stop:
            _, runtime = self._runtimes.get(job_id, (0, self._shared))
            if (job := runtime.running.get(job_id)) is not None:
                ask_to_stop(job, "cancel")
        for task in (*answer.tasks, *answer.alone):
            self._begin(task, self._application.runnable[task.kind])

    # --- one job

    def _begin(self, task: Task, runnable: Runnable) -> None:
        runtime = self._runtime(is_plain=True) if runnable.is_plain else self._shared
        job = JobContext(task, runtime)
        runtime.running[task.job_id] = job
        self._runtimes[task.job_id] = (task.epoch, runtime)
        job._runner = self._loop.create_task(self._attempt(job, runnable, runtime))
        self._watch(job._runner)

    def _watch(self, task: asyncio.Task[None]) -> None:
        """Keep a task until it is done; should it break, so does the run."""
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self._news.set()

    async def _attempt(self, job: JobContext, runnable: Runnable, runtime: Runtime) -> None:
        runtime.begin(job)
        alarm = None
        if job._task.timeout:
            alarm = self._loop.call_later(job._task.timeout / 1e6, ask_to_stop, job, "timeout")
        if runnable.is_plain:
            job._runner = None  # it can be asked, not interrupted
            ending = await self._in_thread(job, runnable)
        else:
            current.set(job)
            ending = await call_async(job, runnable)
        if alarm is not None:
            alarm.cancel()
        runtime.end(job, ending)
        _flush(runtime)
        del self._runtimes[job._task.job_id]
        self._news.set()

    async def _in_thread(self, job: JobContext, runnable: Runnable) -> Ending:
        """Run a plain function in a thread that nobody has to wait for."""
        done: asyncio.Future[Ending] = self._loop.create_future()
        context = contextvars.copy_context()

        def run() -> None:
            try:
                ending = context.run(call_plain, job, runnable)
            except BaseException as error:  # ours: of a handler it would be a value
                ending = endings.of_exception(job, error)
            self._soon(done.set_result, ending)

        threading.Thread(target=run, name=f"quaero-job-{job.id}", daemon=True).start()
        return await done

    # --- telling

    def _runtime(self, *, is_plain: bool) -> Runtime:
        runtime = _Runtime(Setup(None), Outbox(_Ears(self._heard)))
        runtime.outbox.open()
        runtime.is_plain = is_plain
        runtime.application = self._application
        runtime.wake = lambda: self._soon(self._news.set)
        return runtime

    def _soon(self, call: Callable[..., Any], *args: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *args)

    def _heard(self, message: FromExecutor) -> None:
        """A runtime says something, on whatever thread."""
        if isinstance(message, Facts):
            self._facts.extend(message.facts)
            self._soon(self._news.set)
        elif isinstance(message, Ask):
            self._soon(self._ask, message)

    def _ask(self, ask: Ask) -> None:
        _, runtime = self._runtimes[ask.job_id]
        self._watch(self._loop.create_task(answer_question(self._store, _Answers(runtime), ask)))

    def _here(self) -> LineBuffer:
        job = current.get()
        return self._shared.orphans if job is None else _runtime_of(job).lines_of(job)


class _Ears:
    """The channel of a runtime that is in this process: what is sent is heard."""

    def __init__(self, heard: Callable[[FromExecutor], None]) -> None:
        self.send = heard


class _Answers:
    """Where the store's answers to a job's questions go."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def send(self, message: Reply) -> None:
        """Hand it to who asked."""
        receive(self._runtime, message)


def _flush(runtime: Runtime) -> bool:
    """Let a runtime tell what its jobs have; whether some of it must wait for its time."""
    is_more = runtime.collect()
    runtime.outbox.push()
    return is_more
