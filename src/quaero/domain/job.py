"""A job as the store keeps it: the working record that transaction scripts load, change and save.

It is mutable on purpose: one record is loaded under the store's lock, moved by `engine/lifecycle`, and written back
once, however many facts of one commit touched it. Nothing outside a transaction ever sees half a change.
Times are microseconds since the epoch, UTC; 0 means "not yet". JSON is kept as the bytes that came in.

The order of the fields is the order of the columns, in three groups (`STATIC`, `MOVING`, `BRANCH`): a leaf never pays
for what only a job with others below it needs.
"""

from typing import cast

import msgspec

from quaero.domain.status import JobStatus
from quaero.domain.tally import Tally

NO_TALLIES = 12
NO_CHILDREN = cast("list[int]", ())  # shared by all leaves, and never changed


class Job(msgspec.Struct, gc=False):
    """One job of any depth. It holds nothing that could hold it, so the garbage collector need not know of it."""

    id: int
    root_id: int
    kind: str
    # --- fixed at birth
    parent_id: int | None = None
    step_id: int | None = None  # the step it belongs to; its own id for a step
    name: str | None = None
    key: str | None = None
    tags: str | None = None  # JSON array
    priority: int = 0  # higher first
    payload: bytes = b"{}"
    created_at: int = 0
    max_attempts: int = 3
    timeout: int = 0  # microseconds for the function; 0: none
    lane_id: int = 0  # where it queues while ready
    limit_id: int | None = None  # its limit key
    step_limit_id: int | None = None  # its step's `limit`
    spawner_id: int | None = None  # who asked for it, when that is not its parent
    is_step: int = 0
    depth: int = 0
    # --- what moves
    status: int = JobStatus.PENDING
    ready: int = 0  # pending, not reserved, not blocked, due: may be reserved now
    run_at: int = 0  # not ready before; since when it is, if that is not since it was made
    blocked_by: int = 0  # unfinished siblings it waits for
    owner: int | None = None  # worker that reserved it
    epoch: int = 0  # fencing number of the reservation
    round: int = 1
    attempt: int = 0
    losses: int = 0  # reservations lost without a recorded start
    started_at: int = 0
    finished_at: int = 0  # of an open job: the latest end of its function or of a child so far
    lines: int = 0  # line counter: of the step for what is in a step, else its own
    first_seq: int = 0
    last_seq: int = 0
    version: int = 0
    result: bytes | None = None
    error: bytes | None = None  # ErrorInfo as JSON, with its fingerprint
    progress: bytes | None = None
    counts: bytes | None = None  # JSON object of sums
    cancel_requested: int = 0
    reason: str | None = None  # why it was cancelled or skipped
    sealed: int = 0  # its own function has ended for this round
    own_failed: int = 0  # ... and failed for good
    has_dependents: int = 0
    is_branch: int = 0  # the fields below were ever used
    journal_head: int = 0  # root only
    # --- of a job that has others below it
    warnings: int = 0
    excused: int = 0  # failed children that do not count against it (a step with on_error = continue)
    tolerated: int = 0  # failed children it bears; -1: any number
    failure_action: str | None = None  # continue | stop_all | mark_warning
    on_error: str | None = None  # continue | fail | retry
    retried: int = 0  # its on_error = retry was used in this round
    definition: str | None = None
    tree_timeout: int = 0  # microseconds from the first start of the tree
    deadline: int = 0
    cancelling: str | None = None  # root only: JSON object {job id: mode}, see engine/lifecycle/cancel.py
    journal_oldest: int = 1  # root only
    purging: int = 0  # root only: deleted, its rows go in batches
    tallies: list[int] = NO_CHILDREN  # direct children by status, then everything below (steps excluded)

    @property
    def tally(self) -> Tally:
        """Direct children by status."""
        return Tally(*self.tallies[:6]) if self.tallies else Tally()

    @property
    def below(self) -> Tally:
        """Everything below a step or a root, steps themselves excluded."""
        return Tally(*self.tallies[6:]) if self.tallies else Tally()

    @property
    def shown_tally(self) -> Tally:
        """What people are shown: below its steps for a definition's root, direct children for any other."""
        return self.below if self.definition is not None else self.tally

    @property
    def open_children(self) -> int:
        """Direct children that are not terminal."""
        return sum(self.tallies[:3])

    @property
    def is_root(self) -> bool:
        """Whether this job is the top of its tree."""
        return self.parent_id is None

    @property
    def is_terminal(self) -> bool:
        """Whether its round is over."""
        return self.status >= JobStatus.COMPLETED

    def become_branch(self) -> None:
        """Give it room for tallies; nothing to do the second time."""
        if not self.tallies:
            self.tallies = [0] * NO_TALLIES
            self.is_branch = 1


_fields = Job.__struct_fields__
STATIC = _fields[: _fields.index("status")]
MOVING = _fields[_fields.index("status") : _fields.index("warnings")]
BRANCH = _fields[_fields.index("warnings") : -1]
