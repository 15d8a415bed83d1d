"""How much one round may carry: enough to make commits rare, little enough that other writers get their turn soon.

A round holds the store's write lock for as long as its work takes. Others (an enqueue, a cancel) wait for one round at
most, so a round's work is kept near `TARGET_SECONDS`, or a few times what a commit costs on this disk, if that is more:
on a slow disk batches must grow for the rate to hold. Where many write, what counts is how long the rows above a job
are held, not how long they were waited for: were rounds to become smaller because there is a queue, it would grow.
"""

TARGET_SECONDS = 0.010
COMMITS_WORTH = 2.0
LEAST, MOST = 200, 5_000
SMOOTHING = 0.2


class Pace:
    """Learns from every round how many facts and reservations the next one may carry."""

    def __init__(self) -> None:
        self._work = TARGET_SECONDS / 1_000  # seconds an item takes
        self._commit = 0.001  # seconds a commit takes

    @property
    def limit(self) -> int:
        """How many facts, and how many reservations, the next round may carry."""
        budget = max(TARGET_SECONDS, COMMITS_WORTH * self._commit)
        return int(min(MOST, max(LEAST, budget / self._work / 2)))

    def saw(self, items: int, worked: float, took: float) -> None:
        """A round of so many items worked for `worked` of the `took` seconds until it was committed."""
        if items >= LEAST // 2:
            self._work += SMOOTHING * (worked / items - self._work)
            self._commit += SMOOTHING * (max(0.0, took - worked) - self._commit)
