"""The event loop handlers run on: uvloop, with tasks that know whose they are."""

import asyncio
from typing import Any

from quaero.engine.context import JobContext, current


class JobTask(asyncio.Task[Any]):
    """A task a handler started: it knows whose it is, for what goes wrong in it when nobody looks."""

    job: JobContext | None = None


def _job_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> JobTask:
    task = JobTask(coro, loop=loop, **options)
    task.job = current.get()
    return task


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop whose tasks are `JobTask`s."""
    try:
        import uvloop
    except ImportError:  # not on this platform: slower, and the same
        loop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    loop.set_task_factory(_job_task)
    return loop
