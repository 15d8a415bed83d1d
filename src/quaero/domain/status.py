"""The states of a job and the moves between them, as data.

    pending ──> running ──> waiting ──> completed | failed | cancelled      (terminal: the round is over)
       │           │
       │           └──> pending (retry, lost worker) | completed | failed | cancelled
       └──> waiting (a definition's root: no function of its own) | cancelled

Only a new *round*, opened by hand, leaves a terminal status: the job itself goes back to pending, each closed
ancestor back to waiting. No other module compares status words; the database repeats the codes as a CHECK.
"""

from collections.abc import Mapping
from enum import IntEnum


class JobStatus(IntEnum):
    """A job's status. The number is what the store keeps; `word` is what people and programs read."""

    PENDING = 0  # waiting for a worker, or reserved by one and not begun
    RUNNING = 1  # its function runs under a lease
    WAITING = 2  # its own work is done, its children's is not
    COMPLETED = 3
    FAILED = 4
    CANCELLED = 5

    @property
    def word(self) -> str:
        """The lower-case word of the public interface, e.g. `pending`."""
        return WORDS[self]

    @property
    def is_terminal(self) -> bool:
        """Whether this status ends a round."""
        return self >= JobStatus.COMPLETED


S = JobStatus
# by themselves, because looking a member up in its class costs 80 ns and hot paths do it a dozen times a job
PENDING, RUNNING, WAITING, COMPLETED, FAILED, CANCELLED = JobStatus
WORDS: tuple[str, ...] = tuple(status.name.lower() for status in JobStatus)
STATUSES: tuple[JobStatus, ...] = tuple(JobStatus)
BY_WORD: Mapping[str, JobStatus] = {status.word: status for status in JobStatus}
TERMINAL = frozenset({S.COMPLETED, S.FAILED, S.CANCELLED})

MOVES: Mapping[JobStatus, frozenset[JobStatus]] = {
    S.PENDING: frozenset({S.RUNNING, S.WAITING, S.CANCELLED}),
    S.RUNNING: frozenset({S.PENDING, S.WAITING, S.COMPLETED, S.FAILED, S.CANCELLED}),
    S.WAITING: frozenset({S.PENDING, S.COMPLETED, S.FAILED, S.CANCELLED}),  # pending: a step's own retry
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}

REOPENINGS: Mapping[JobStatus, frozenset[JobStatus]] = {
    S.COMPLETED: frozenset({S.WAITING}),
    S.FAILED: frozenset({S.PENDING, S.WAITING}),
    S.CANCELLED: frozenset({S.PENDING, S.WAITING}),
}
"""Moves that are legal only together with `round + 1`."""


def may_move(before: JobStatus, after: JobStatus, *, new_round: bool = False) -> bool:
    """Whether a job may go from `before` to `after`, within its round or by opening a new one."""
    return after in (REOPENINGS.get(before, frozenset()) if new_round else MOVES[before])
