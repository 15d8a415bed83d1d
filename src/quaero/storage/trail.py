"""Where a process last took from each lane, so that its next claim does not walk once more over all that is taken.

A database that keeps old versions of rows keeps them in its indexes too: whoever begins at the front of a lane walks
over everything that was ever taken from it and that a snapshot somewhere may still see. It is a hint only. What lies
before it (a job that came back, a retry) is found when a claim comes out short, and once a second; where that walk is
long or in vain, as seldom as it takes to cost no more than a twentieth of the time.
"""

import time

MOST_LANES = 10_000
AFRESH = 1_000_000  # microseconds between two claims that begin at the front, at least
WORTH = 20  # times as long as the last one took


class Trail:
    """Positions by lane, of one process, between its transactions; what one took that is undone was not taken."""

    def __init__(self) -> None:
        self._at: dict[int, int] = {}
        self._taken: dict[int, int] = {}  # by the transaction under way
        self._next_look: dict[int, int] = {}
        self._may_look: dict[int, float] = {}

    def begin(self) -> None:
        """A transaction begins."""
        self._taken.clear()

    def keep(self) -> None:
        """It was committed."""
        if len(self._at) + len(self._taken) > MOST_LANES:
            self._at.clear()
        self._at.update(self._taken)
        self._taken.clear()

    def _position(self, lane_id: int) -> int | None:
        return self._taken.get(lane_id, self._at.get(lane_id))

    def knows(self, lane_id: int) -> bool:
        """Whether anything was taken from this lane."""
        return self._position(lane_id) is not None

    def start(self, lane_id: int, now: int) -> int:
        """The id beyond which a claim looks first; 0 is the front."""
        return self._position(lane_id) or 0 if now < self._next_look.get(lane_id, 0) else 0

    def took(self, lane_id: int, last_id: int) -> None:
        """This was the last one taken."""
        self._taken[lane_id] = last_id

    def may_look(self, lane_id: int) -> bool:
        """Whether a claim that came out short may begin at the front; what is said to be ready may just be taken."""
        return time.perf_counter() >= self._may_look.get(lane_id, 0.0)

    def looked(self, lane_id: int, now: int, seconds: float, *, in_vain: bool) -> None:
        """A claim began at the front, which took so long."""
        if len(self._next_look) >= MOST_LANES and lane_id not in self._next_look:
            self._next_look.clear()
            self._may_look.clear()
        self._next_look[lane_id] = now + max(AFRESH, round(WORTH * seconds * 1e6))
        self._may_look[lane_id] = time.perf_counter() + WORTH * seconds if in_vain else 0.0
