"""What a transaction that met others out of turn learns for its next run: the rows to hold before all else."""

from collections.abc import Iterable


class Contended(Exception):
    """Rows that others hold are needed out of turn; the transaction must begin again and take them in their turn.

    `alone`: jobs in whose trees nobody else may reserve.
    """

    def __init__(self, *, jobs: Iterable[int] = (), alone: Iterable[int] = (), limits: Iterable[int] = ()) -> None:
        super().__init__("rows are held by others")
        self.jobs, self.alone, self.limits = set(jobs), set(alone), set(limits)


class Footprint:
    """What earlier runs of the same transaction found out that it needs."""

    def __init__(self) -> None:
        self.jobs: set[int] = set()
        self.alone: set[int] = set()
        self.limits: set[int] = set()

    def learn(self, contended: Contended) -> None:
        """Remember."""
        self.jobs |= contended.jobs
        self.alone |= contended.alone
        self.limits |= contended.limits
