"""What commands print: results on stdout, messages on stderr. `--json` prints the structs of the public interface."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from quaero.domain.printable import clean, one_line


class ReaderGoneError(Exception):
    """Whoever read our output has seen enough: no trouble, but no reason to go on."""


class OutputLostError(Exception):
    """What should be printed cannot be: the disk is full, or there is no standard output."""


def result(text: str) -> None:
    """A line of the result. Raises ReaderGoneError, OutputLostError."""
    with _told_apart():
        sys.stdout.write(f"{text}\n")


def text(part: str) -> None:
    """A part of the result, as it is. Raises ReaderGoneError, OutputLostError."""
    with _told_apart():
        sys.stdout.write(part)


def message(text: str) -> None:
    """A line about what goes on, for people. Where nobody can read it the work goes on without."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def json(value: Any, *, indent: bool = True) -> None:
    """The value as JSON: indented for one answer, one line each for a stream of them."""
    import msgspec

    encoded = msgspec.json.encode(value)
    result((msgspec.json.format(encoded, indent=2) if indent else encoded).decode())


def raw_json(encoded: bytes) -> None:
    """JSON as the API gave it, indented."""
    import msgspec

    result(msgspec.json.format(encoded, indent=2).decode())


def clock_time(timestamp: str) -> str:
    """An RFC 3339 time as the clock on this machine's wall shows it, with milliseconds."""
    return datetime.fromisoformat(timestamp).astimezone().strftime("%H:%M:%S.%f")[:-3]


def plural(n: int, noun: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def flush() -> None:
    """Let a reader of our output have it now. Raises ReaderGoneError, OutputLostError."""
    if sys.stdout is not None:
        with _told_apart():
            sys.stdout.flush()


@contextmanager
def _told_apart() -> Iterator[None]:
    try:
        if sys.stdout is None:
            raise OutputLostError("standard output is closed")
        yield
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        raise OutputLostError(error.strerror) from None


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], limit: int = 60) -> None:
    """Columns as wide as what is in them; cells are cleaned and cut at `limit`."""
    cells = [[one_line(cell, limit) for cell in row] for row in rows]
    widths = [max(len(heading), *(len(row[n]) for row in cells), 0) for n, heading in enumerate(headings)]
    for row in [list(headings), *cells]:
        result("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def fields(pairs: Iterable[tuple[str, str | None]]) -> None:
    """Named values, one a line; what has no value is left out. Long values go on below their name."""
    shown = [(name, clean(value)) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0) + 2
    for name, value in shown:
        result(f"{name}:".ljust(width) + value.replace("\n", "\n" + " " * width))
