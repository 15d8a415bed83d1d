"""Trees whose journals a process scatters over small runs, one for each commit in which something was logged.

Whoever writes them knows which they are, so nobody has to look through all journals for some that are worth a merge.
"""

MANY_RUNS = 32  # a tree with more small ones is worth a merge
SMALL_RUN = 256  # entries
MOST_TREES = 50_000  # that are remembered; what is forgotten is found by the next walk


class Scattered:
    """Small runs by tree, as many as this process has written since they were merged last."""

    def __init__(self) -> None:
        self._runs: dict[int, int] = {}

    def wrote(self, root_id: int, entries: int) -> None:
        """A run of so many entries was written."""
        if entries <= SMALL_RUN:
            if len(self._runs) >= MOST_TREES:
                self._runs.clear()
            self._runs[root_id] = self._runs.get(root_id, 0) + 1

    def merged(self, root_id: int, runs: int) -> None:
        """So many of them are one now, or there are no more."""
        self._runs[root_id] = self._runs.get(root_id, 0) - runs

    def worth_merging(self) -> list[int]:
        """The trees that are worth a merge."""
        return [root_id for root_id, runs in self._runs.items() if runs > MANY_RUNS]
