"""What became of the requests of this process: how many, by route and status, and how long they took."""

from bisect import bisect_left
from dataclasses import dataclass, field

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds


@dataclass(slots=True)
class Timing:
    """Requests to one route: by status, and by how long they took (the last place: longer than every bound)."""

    by_status: dict[int, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0


@dataclass(slots=True)
class Requests:
    """Counts of one gateway process. Routes are counted under their declared paths, so there are only so many."""

    by_route: dict[tuple[str, str], Timing] = field(default_factory=dict)

    def count(self, method: str, path: str, status: int, seconds: float) -> None:
        """One request was answered."""
        timing = self.by_route.get((method, path))
        if timing is None:
            timing = self.by_route[method, path] = Timing()
        timing.by_status[status] = timing.by_status.get(status, 0) + 1
        timing.buckets[bisect_left(BOUNDS, seconds)] += 1
        timing.seconds += seconds
