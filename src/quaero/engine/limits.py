"""Limit keys as handlers name them, and the words for spans of time they may use."""

from dataclasses import dataclass
from datetime import timedelta

from quaero.domain import facts
from quaero.engine.outcomes import seconds


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `at_once` jobs of one `key` run at a time, in the whole store, begun at least `apart` from each other.

    `apart` is seconds, a duration (`"250ms"`) or a timedelta.
    """

    key: str
    at_once: int = 1
    apart: float | str | timedelta = 0.0

    def __post_init__(self) -> None:
        if not self.key or self.at_once < 1:
            raise ValueError(f"a limit needs a key and at_once of at least 1, not {self.key!r} and {self.at_once}")
        seconds(self.apart)

    def fact(self) -> facts.Limit:
        """The wire form: `apart` in microseconds."""
        return facts.Limit(self.key, self.at_once, micros(self.apart))


def micros(span: float | str | timedelta | None) -> int:
    """Microseconds of a span; none is 0. Raises ValueError for what is no span."""
    return round(seconds(span) * 1_000_000) if span is not None else 0
