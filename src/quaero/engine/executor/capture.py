"""Standard logging inside an executor: every record becomes a line of the job it was logged for.

Our handler stands on the root logger, so libraries are heard too. A record that has nothing but a message takes a
short way that makes no `LogRecord`; it is taken only while nobody else listens, so a user's own handlers and filters
always see whole records.
"""

import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from quaero.domain.bounds import MAX_LINE
from quaero.domain.entries import Level
from quaero.engine.executor.lines import LineBuffer, size_of_fields
from quaero.engine.executor.streams import StreamWriter
from quaero.engine.text import clean

Lines = Callable[[], LineBuffer]  # finds the lines to write to
THRESHOLDS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)  # by Level
_BARE = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None)))
_USUAL = _BARE | {"message", "asctime", "taskName"}
_ROOT = logging.getLogger()
_BLANK = vars(logging.Logger("blank"))
_traceback_of = logging.Formatter().formatException


def level_of(number: int) -> int:
    """Our level for one of logging's."""
    if number < logging.INFO:
        return Level.DEBUG
    if number < logging.WARNING:
        return Level.INFO
    return Level.WARN if number < logging.ERROR else Level.ERROR


class JobHandler(logging.Handler):
    """Writes every record to the lines of the job whose code is running."""

    def __init__(self, here: Lines, min_level: int) -> None:
        super().__init__(THRESHOLDS[min_level])
        self.here = here

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record. No lock is needed: adding a line is atomic."""
        if self.filters and not self.filter(record):
            return False
        self.write(record, self.here())
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record from who calls this directly."""
        self.write(record, self.here())

    def write(self, record: logging.LogRecord, lines: LineBuffer) -> None:
        """Write a record as one line, its traceback below the message, its `extra` as fields."""
        try:
            message = record.getMessage()
        except Exception as error:  # a wrong format string must not fail the job
            message = f"{record.msg} {record.args!r} (not formatted: {error})"
        if record.exc_info and record.exc_info[0] is not None:
            message = f"{message}\n{_traceback_of(record.exc_info)}"
        if record.stack_info:
            message = f"{message}\n{record.stack_info}"
        fields = None
        if len(record.__dict__) > len(_BARE):
            fields = {name: value for name, value in record.__dict__.items() if name not in _USUAL} or None
            if fields and (size := size_of_fields(fields)) > MAX_LINE:
                fields = {"left_out": f"{size:,} bytes of fields"}
        lines.add(int(record.created * 1e6), level_of(record.levelno), message, fields)


class QuickLogger(logging.Logger):
    """A standard logger with a short way for plain messages: see the module."""

    ours: JobHandler  # set when capture begins

    def _log(self, level: int, msg: object, args: Any, exc_info: Any = None, extra: Mapping[str, object] | None = None,
             stack_info: bool = False, stacklevel: int = 1) -> None:  # fmt: skip
        if exc_info or extra or stack_info or self.filters or not self._is_ours_alone():
            # one frame more than the caller's: ours
            super()._log(level, msg, args, exc_info, extra, stack_info, stacklevel + 1)
        elif level >= self.ours.level:
            self._lines().add(time.time_ns() // 1_000, level_of(level), _formatted(msg, args))

    def _lines(self) -> LineBuffer:
        return self.ours.here()

    def _is_ours_alone(self) -> bool:
        logger: logging.Logger | None = self
        while logger is not None and logger.propagate:
            if logger.handlers:
                return logger.parent is None and len(logger.handlers) == 1 and logger.handlers[0] is self.ours
            logger = logger.parent
        return False


class QuickRootLogger(QuickLogger, logging.RootLogger):
    """The root logger with the short way: many programs call `logging.info` and the like."""


class JobLogger(QuickLogger):
    """`job.log`: writes to its own job, whatever thread or task calls it."""

    _find: Lines

    @classmethod
    def of(cls, name: str, find: Lines) -> "JobLogger":
        """A logger of a job. Made for every job that logs, so it does without `Logger.__init__`."""
        logger = cls.__new__(cls)
        own = {"name": name, "parent": _ROOT, "handlers": [], "filters": [], "_cache": {}, "_find": find}
        logger.__dict__ = {**_BLANK, **own}
        return logger

    def isEnabledFor(self, level: int) -> bool:
        """As the standard one, without its cache, which a short-lived logger only has to fill."""
        return level >= (self.level or _ROOT.level) and level > self.manager.disable and not self.disabled

    def _lines(self) -> LineBuffer:
        return self._find()

    def callHandlers(self, record: logging.LogRecord) -> None:
        """Write to the job, and let the root's other handlers have the record too."""
        if record.levelno >= self.ours.level:
            self.ours.write(record, self._find())
        for handler in [*self.handlers, *logging.getLogger().handlers]:
            if handler is not self.ours and record.levelno >= handler.level and not _would_say_it_again(handler):
                handler.handle(record)


def install(here: Lines, min_level: int) -> JobHandler:
    """Capture logging and warnings from now on; loggers made from now on know the short way."""
    handler = JobHandler(here, min_level)
    QuickLogger.ours = handler
    logging.setLoggerClass(QuickLogger)
    logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # from 3.12 on; no line says them, and they cost
    logging.logMultiprocessing = False
    root = logging.getLogger()
    root.__class__ = QuickRootLogger
    root.setLevel(THRESHOLDS[min_level])
    root.addHandler(handler)
    logging.captureWarnings(True)
    warnings.showwarning = _shown(warnings.showwarning)
    return handler


def catch_uncaught(here: Lines) -> None:
    """What dies in a thread, or where nothing can be raised, is told as one error with its traceback."""

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit and args.exc_value is not None:
            name = args.thread.name if args.thread is not None else "?"
            say(f"exception in thread {name}", args.exc_value)

    def unraisable(args: Any) -> None:
        say(args.err_msg or f"exception ignored in {args.object!r}", args.exc_value)

    def say(what: str, error: BaseException | None) -> None:
        text = _traceback_of((type(error), error, error.__traceback__)) if error is not None else ""
        here().add(time.time_ns() // 1_000, Level.ERROR, f"{what}\n{text}")

    threading.excepthook = in_thread
    sys.unraisablehook = unraisable


def settle(handler: JobHandler) -> None:
    """After the application's import: capture stands again if it was configured away, and hears nothing twice."""
    root = logging.getLogger()
    if handler not in root.handlers:
        root.addHandler(handler)
    loggers = [one for one in logging.Logger.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    for logger in [root, *loggers]:
        for other in list(logger.handlers):
            if _would_say_it_again(other):
                logger.removeHandler(other)


def _would_say_it_again(handler: logging.Handler) -> bool:
    """Whether what it writes comes back to us, as output of the job."""
    return isinstance(handler, logging.StreamHandler) and isinstance(handler.stream, StreamWriter)


def _formatted(msg: object, args: Any) -> str:
    message = msg if isinstance(msg, str) else str(msg)
    if not args:
        return message
    if len(args) == 1 and isinstance(args[0], Mapping) and args[0]:
        args = args[0]
    try:
        return str(message % args)
    except Exception as error:  # a wrong format string must not fail the job
        return f"{message} {args!r} (not formatted: {error})"


def _shown(captured: Any) -> Any:
    """`warnings.showwarning` that says where and what in one line, without the source."""

    def showwarning(
        message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        if file is not None:
            captured(message, category, filename, lineno, file, line)
        else:
            logging.getLogger("py.warnings").warning(
                "%s: %s (%s:%s)", category.__name__, clean(str(message)), filename, lineno
            )

    return showwarning
