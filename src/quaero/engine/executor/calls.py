"""Calling a handler: however it leaves, that is a value."""

from quaero.engine.context import JobContext, current
from quaero.engine.executor import endings
from quaero.engine.executor.application import Runnable
from quaero.engine.executor.endings import Ending


async def call_async(job: JobContext, runnable: Runnable) -> Ending:
    """Run a coroutine function, and what it left to be spawned."""
    payload = job._task.payload
    try:
        arguments = runnable.arguments(payload) if runnable.arguments is not None else None
    except Exception as error:
        return endings.bad_payload(error)
    try:
        value = await (runnable.function(job) if arguments is None else runnable.function(job, **arguments))
        if job._extras is not None and job._extras.spawns is not None:
            await job._extras.spawns.settle()
        return endings.of_value(job, value)
    except BaseException as error:
        return endings.of_exception(job, error)


def call_plain(job: JobContext, runnable: Runnable) -> Ending:
    """Run a plain function, in a context that is its own."""
    current.set(job)
    payload = job._task.payload
    try:
        arguments = runnable.arguments(payload) if runnable.arguments is not None else None
    except Exception as error:
        return endings.bad_payload(error)
    try:
        value = runnable.function(job) if arguments is None else runnable.function(job, **arguments)
        return endings.of_value(job, value)
    except BaseException as error:
        return endings.of_exception(job, error)
