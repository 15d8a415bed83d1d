"""How much longer a tree may take: an honest range, never a point.

Two rates are compared, the whole run's and the last half minute's, and each is widened by what chance alone would do to
a count of that size. What is still being spawned is said, not guessed at. Times are microseconds, rates per second.
"""

from collections import deque
from dataclasses import dataclass, field
from math import sqrt

from quaero.domain.durations import format_duration
from quaero.domain.tally import Tally

ENOUGH = 3  # finished jobs before anything is said
WINDOW = 30_000_000
SPAWN_WINDOW = 3_000_000  # whether children still come is about now, not about the last half minute
SLOWEST = 0.25  # a widened rate never falls below this part of what was seen
_NINETY_PERCENT = 1.64  # of a Poisson count lie within this many square roots of it


@dataclass(frozen=True, slots=True)
class Eta:
    """Between `low` and `high` microseconds, if no more children come; `growing` says that some may."""

    low: int
    high: int
    growing: bool = False

    @property
    def text(self) -> str:
        """For people, e.g. `12m to 19m`."""
        low, high = _rounded(self.low), _rounded(self.high)
        return low if low == high else f"{low} to {high}"


def _rounded(micros: int) -> str:
    return format_duration(max(1, round(micros / 1_000_000)) * 1_000_000)


def done(tally: Tally) -> int:
    """Jobs that are terminal."""
    return tally.total - tally.open


def _bounds(finished: int, micros: int) -> tuple[float, float] | None:
    """The slowest and fastest jobs per microsecond that `finished` in `micros` may stand for."""
    if finished < ENOUGH or micros <= 0:
        return None
    spread = _NINETY_PERCENT / sqrt(finished)
    rate = finished / micros
    return rate * max(SLOWEST, 1 - spread), rate * (1 + spread)


def estimate(tally: Tally, elapsed: int, *, growing: bool = False) -> Eta | None:
    """The range from one look at a tree that has run for `elapsed`; None: too little is known, or nothing is open."""
    bounds = _bounds(done(tally), elapsed)
    if bounds is None or not tally.open:
        return None
    return Eta(round(tally.open / bounds[1]), round(tally.open / bounds[0]), growing)


@dataclass(slots=True)
class Pace:
    """What a watcher has seen of a tree's tally over time."""

    _seen: deque[tuple[int, int, int]] = field(default_factory=deque)
    _first: tuple[int, int] | None = None

    def saw(self, at: int, tally: Tally) -> None:
        """Take note of a tally read at `at`. The wait for the first job is no part of the pace."""
        if not tally.total:
            self._seen.clear()
            self._first = None
        finished = done(tally)
        if self._first is None:
            self._first = (at, finished)
        self._seen.append((at, finished, tally.total))
        while len(self._seen) > 2 and self._seen[1][0] <= at - WINDOW:
            self._seen.popleft()

    @property
    def rate(self) -> float:
        """Jobs finished per second of late."""
        return self._per_second(1, WINDOW)

    @property
    def spawn_rate(self) -> float:
        """Jobs spawned per second of late."""
        return self._per_second(2, SPAWN_WINDOW)

    def _per_second(self, column: int, window: int) -> float:
        if not self._seen:
            return 0.0
        last = self._seen[-1]
        first = next(seen for seen in self._seen if seen[0] >= last[0] - window)
        micros = last[0] - first[0]
        return (last[column] - first[column]) * 1_000_000 / micros if micros > 0 else 0.0

    def eta(self, tally: Tally, *, growing: bool = False) -> Eta | None:
        """The range that covers both the pace of late and the pace since watching began."""
        if self._first is None or not tally.open:
            return None
        now, finished = self._seen[-1][0], self._seen[-1][1]
        start = self._seen[0]
        paces = (
            _bounds(finished - start[1], now - start[0]),
            _bounds(finished - self._first[1], now - self._first[0]),
        )
        known = [pace for pace in paces if pace is not None]
        if not known:
            return None
        slow, fast = min(pace[0] for pace in known), max(pace[1] for pace in known)
        return Eta(round(tally.open / fast), round(tally.open / slow), growing or self.spawn_rate > 0)
