"""Counts of jobs by status, and the one sentence made from them."""

from typing import NamedTuple


class Tally(NamedTuple):
    """How many jobs stand in each status. Positions follow `JobStatus`, so `tally[status]` reads a count."""

    pending: int = 0
    running: int = 0
    waiting: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All jobs counted."""
        return sum(self)

    @property
    def open(self) -> int:
        """Jobs that are not terminal yet."""
        return self.pending + self.running + self.waiting

    def to_wire(self) -> dict[str, int]:
        """The public form: `running` includes `waiting`."""
        return {
            "total": self.total,
            "pending": self.pending,
            "running": self.running + self.waiting,
            "completed": self.completed,
            "failed": self.failed,
            "cancelled": self.cancelled,
        }


def progress_text(tally: Tally) -> str:
    """The fixed sentence, e.g. `66 pending, 1 running, 41 completed, 0 failed`."""
    return (
        f"{tally.pending} pending, {tally.running + tally.waiting} running, "
        f"{tally.completed} completed, {tally.failed} failed"
    )
