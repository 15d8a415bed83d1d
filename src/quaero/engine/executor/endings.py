"""What becomes of an attempt: a return value, an exception or a wish to stop, as the values the store records."""

import asyncio
import inspect
import traceback
from typing import Any, NamedTuple

import msgspec

from quaero.domain.bounds import KIB, MAX_RESULT
from quaero.domain.durations import format_duration
from quaero.domain.errors import InvalidInput
from quaero.domain.facts import ErrorInfo, How
from quaero.engine.context import JobContext
from quaero.engine.outcomes import Retry
from quaero.engine.text import clean, cut, shorten

TRACEBACK_BYTES = 32 * KIB
MESSAGE_BYTES = 8 * KIB

_encode = msgspec.json.Encoder().encode
_UNSAID: dict[type[BaseException], str] = {
    asyncio.CancelledError: "something inside the handler was cancelled, and nobody had asked the job to stop",
    SystemExit: "the handler asked its process to exit",
    KeyboardInterrupt: "the handler was interrupted from the keyboard",
}
_OURS = ("/quaero/engine/executor/",)


class Ending(NamedTuple):
    """How an attempt ended."""

    how: How
    result: bytes | None = None
    error: ErrorInfo | None = None


COMPLETED = Ending(How.COMPLETED)
CANCELLED = Ending(How.CANCELLED)
UNTOUCHED = Ending(How.UNTOUCHED)


def of_value(job: JobContext, value: Any) -> Ending:
    """The end of a handler that returned."""
    if job._why is not None:
        return stopped(job)
    extras = job._extras
    if extras is not None and extras.result is not msgspec.UNSET:
        value = extras.result
    if value is None:
        return COMPLETED
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        return refused("BadResult", "the function returned something to await: declare it with `async def`")
    try:
        result = _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return refused("BadResult", f"the result has no JSON form: {error}")
    if len(result) > MAX_RESULT:
        message = f"the result is {len(result):,} bytes of JSON, over the limit of {MAX_RESULT:,}: keep a reference"
        return refused("BadResult", message)
    return Ending(How.COMPLETED, result)


def of_exception(job: JobContext, error: BaseException) -> Ending:
    """The end of a handler that raised."""
    if job._why is not None:
        return stopped(job)
    return Ending(How.FAILED, None, describe(error))


def no_handler(kind: str) -> Ending:
    """The end of a task of a kind this worker does not know."""
    return refused("UnknownKind", f"no handler for kind {kind!r} in this worker")


def bad_payload(error: Exception) -> Ending:
    """The end of a task whose payload does not fit its handler."""
    if isinstance(error, InvalidInput):
        return refused("InvalidPayload", str(error))
    return Ending(How.FAILED, None, describe(error))


def refused(kind: str, message: str) -> Ending:
    """A failure no further attempt can mend."""
    return Ending(How.FAILED, None, ErrorInfo(kind, clean(message), final=True))


def stopped(job: JobContext) -> Ending:
    """The end of a handler that was asked to stop, however it left."""
    if job._why != "timeout":
        return CANCELLED
    limit = f" after {format_duration(job._task.timeout)}" if job._task.timeout else ""
    return Ending(How.TIMED_OUT, None, ErrorInfo("TimedOut", f"timed out{limit}"))


def describe(error: BaseException) -> ErrorInfo:
    """An exception as it is recorded. An attribute `retry_after` (seconds) or `final` of it is heeded."""
    after = _attribute(error, "retry_after")
    after = float(after) if isinstance(after, int | float) and 0 <= after < float("inf") else None
    message, _ = cut(clean(_message(error)), MESSAGE_BYTES)
    text = "" if isinstance(error, Retry) else shorten(clean(traceback_of(error)), TRACEBACK_BYTES)
    return ErrorInfo(_name(type(error)), message, text, after, _attribute(error, "final") is True)


def _attribute(error: BaseException, name: str) -> Any:
    try:
        return getattr(error, name, None)
    except Exception:  # a property of a foreign exception may do anything
        return None


def _name(kind: type[BaseException]) -> str:
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )


def _message(error: BaseException) -> str:
    try:
        return str(error) or _UNSAID.get(type(error), "")
    except Exception as worse:
        return f"(its message cannot be made: {type(worse).__name__})"


def traceback_of(error: BaseException) -> str:
    """As Python prints it, without the frames of the executor itself."""
    trace = error.__traceback__
    while trace is not None and any(part in trace.tb_frame.f_code.co_filename for part in _OURS):
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, trace))
    except Exception as worse:
        return f"(its traceback cannot be made: {type(worse).__name__})"
