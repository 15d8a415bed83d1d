"""How a handler says "not now" and "never": two exceptions it may raise. Any other one is a plain failed attempt."""

from datetime import timedelta

from quaero.domain.durations import parse_duration


class Retry(Exception):
    """This attempt failed, and the next should wait: `raise quaero.Retry("busy", after="30s")`.

    `after` is seconds, a duration or a timedelta; without it the usual back-off applies. It counts as an attempt.
    """

    def __init__(self, message: str = "", *, after: float | str | timedelta | None = None) -> None:
        super().__init__(message or "the handler asked for another attempt")
        self.retry_after = seconds(after) if after is not None else None


class Fatal(Exception):
    """This job cannot succeed: no further attempt is made, however many are left."""

    final = True


def seconds(span: float | str | timedelta) -> float:
    """A span as seconds. Raises ValueError when it is negative or no duration."""
    number = float(span) if isinstance(span, int | float) else parse_duration(span) / 1_000_000
    if not 0 <= number < float("inf"):
        raise ValueError(f"a span of time cannot be {span!r}: give seconds from 0 on")
    return number
