"""Async handlers: many at once, on one event loop, each in a task and a context of its own.

At most `concurrency` have begun at a time; the others wait in order. A plain task at the head of the queue lets what
runs come to its end, and then has the process to itself (`plainside.py`).
"""

import asyncio

from quaero.domain.entries import Level
from quaero.engine.context import JobContext, current
from quaero.engine.executor import endings
from quaero.engine.executor.application import Runnable
from quaero.engine.executor.calls import call_async
from quaero.engine.executor.channel import Channel
from quaero.engine.executor.deliveries import deliver
from quaero.engine.executor.dispatch import ask_to_stop, receive
from quaero.engine.executor.guard import Guard
from quaero.engine.executor.loop import JobTask, new_loop
from quaero.engine.executor.runtime import Runtime, now
from quaero.engine.protocol import Deliver, Delivered, Task

NEVER = float("inf")


class LoopSide:
    """The event loop and the async handlers on it."""

    def __init__(self, runtime: Runtime, channel: Channel, guard: Guard) -> None:
        self._runtime = runtime
        self._channel = channel
        self._guard = guard
        self._loop = new_loop()
        self._loop.set_exception_handler(self._loop_failed)
        self._is_filling = False
        self._is_flushing = False
        self._deadlines: dict[JobContext, float] = {}
        self._next_deadline = NEVER
        self._alarm: asyncio.TimerHandle | None = None
        self._delivering: set[asyncio.Task[None] | None] = set()

    def run(self) -> None:
        """Run async handlers until a plain one has its turn, or until all is done."""
        self._runtime.is_plain = False
        asyncio.set_event_loop(self._loop)
        self._loop.add_reader(self._channel.fileno(), self._readable)
        self._loop.call_soon(self._readable)  # something may have come together with the setup
        self._loop.run_forever()
        self._loop.remove_reader(self._channel.fileno())
        self._runtime.push()

    def _readable(self) -> None:
        with self._guard:
            for message in self._channel.receive():
                receive(self._runtime, message)
            self._fill_soon()
            self._flush_soon()

    # --- beginning

    def _fill_soon(self) -> None:
        if not self._is_filling:
            self._is_filling = True
            self._loop.call_soon(self._fill)

    def _fill(self) -> None:
        """Begin what may begin; leave the loop when it is a plain task's turn or all is done."""
        self._is_filling = False
        runtime = self._runtime
        with self._guard:
            self._deliver()
            room = runtime.setup.concurrency - len(runtime.running)
            while room > 0 and runtime.waiting:
                task = runtime.waiting[0]
                runnable = runtime.find(task)
                if runnable is not None and runnable.is_plain:
                    break
                runtime.waiting.popleft()
                if runnable is None:
                    runtime.hand_back(task, endings.no_handler(task.kind))
                    continue
                self._start(task, runnable)
                room -= 1
            if not runtime.running and not self._delivering and (runtime.waiting or runtime.is_stopping):
                self._loop.stop()
            self._flush_soon()

    def _start(self, task: Task, runnable: Runnable) -> None:
        job = JobContext(task, self._runtime)
        self._runtime.running[task.job_id] = job
        job._runner = asyncio.Task(self._attempt(job, runnable), loop=self._loop)

    # --- subscribers

    def _deliver(self) -> None:
        while self._runtime.deliveries:
            task = self._loop.create_task(self._call_subscriber(self._runtime.deliveries.popleft()))
            self._delivering.add(task)

    async def _call_subscriber(self, delivery: Deliver) -> None:
        error = await deliver(self._runtime.application.app, delivery)
        with self._guard:
            error = self._runtime.mask.text(error) if error is not None else None
            self._runtime.outbox.say(Delivered(delivery.delivery_id, error))
            self._delivering.discard(asyncio.current_task())
            self._fill_soon()

    # --- one job

    async def _attempt(self, job: JobContext, runnable: Runnable) -> None:
        try:  # not `with self._guard`: this is the hot path
            current.set(job)
            if job._why is not None:
                ending = endings.UNTOUCHED
            else:
                self._runtime.begin(job)
                if job._task.timeout:
                    self._watch(job)
                ending = await call_async(job, runnable)
                if job._task.timeout:
                    del self._deadlines[job]
            self._runtime.end(job, ending)
            self._fill_soon()
            self._flush_soon()
        except BaseException as error:
            self._guard.fail(error)

    # --- timeouts: one alarm for the earliest, so that a job in time costs two dictionary entries

    def _watch(self, job: JobContext) -> None:
        deadline = self._loop.time() + job._task.timeout / 1e6
        self._deadlines[job] = deadline
        if deadline < self._next_deadline:
            self._set_alarm(deadline)

    def _set_alarm(self, deadline: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._next_deadline = deadline
        self._alarm = self._loop.call_at(deadline, self._ring) if deadline != NEVER else None

    def _ring(self) -> None:
        moment = self._loop.time() + 0.001
        for job in [job for job, deadline in self._deadlines.items() if deadline <= moment]:
            ask_to_stop(job, "timeout")
        later = (deadline for job, deadline in self._deadlines.items() if deadline > moment)
        self._set_alarm(min(later, default=NEVER))

    # --- telling

    def _flush_soon(self) -> None:
        if not self._is_flushing and self._runtime.outbox.has_any:
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flushing = False
        with self._guard:
            self._runtime.push()

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """What asyncio would print: it belongs to the job whose task it was, if that can be known."""
        task = context.get("task") or context.get("future")
        lines = self._runtime.lines_of(task.job) if isinstance(task, JobTask) and task.job else self._runtime.orphans
        error = context.get("exception")
        text = endings.traceback_of(error) if isinstance(error, BaseException) else ""
        lines.add(now(), Level.ERROR, f"{context.get('message')}\n{text}".rstrip())
