"""How often trees are flushed, by what flushing costs: together no more than a share of this process's time.

    interval = clamp(batch interval, cost x busy trees / share, 1 s)

Where even the slowest pace costs more than there is, the process is overloaded, and viewers are sent to others.
"""

from quaero.clock import Clock

SHARE = 0.6  # of one core
SLOWEST = 1.0  # seconds
BUSY_SECONDS = 2.0  # a tree flushed in the last seconds is busy
OVERLOADED_SECONDS = 5.0


class Pace:
    """The intervals of all tails of a process."""

    def __init__(self, clock: Clock, least: float) -> None:
        self.least = least
        self.interval = least  # seconds, as it was found last
        self._clock = clock
        self._busy: dict[int, tuple[float, float]] = {}
        self._over_since: float | None = None

    def after(self, root_id: int, cost: float) -> float:
        """The interval from one flush to the next, after a flush that took `cost` seconds of this process."""
        now = self._clock.monotonic()
        self._busy[root_id] = now, cost
        self._busy = {root: seen for root, seen in self._busy.items() if now - seen[0] < BUSY_SECONDS}
        wanted = cost * len(self._busy) / SHARE
        if sum(cost for _, cost in self._busy.values()) < SLOWEST:
            self._over_since = None
        elif self._over_since is None:
            self._over_since = now
        self.interval = min(max(self.least, wanted), SLOWEST)
        return self.interval

    @property
    def is_overloaded(self) -> bool:
        """Whether flushing everything at the slowest pace has been too much for a while."""
        return self._over_since is not None and self._clock.monotonic() - self._over_since > OVERLOADED_SECONDS
