"""What a client gets: the JSON of the interface as typed values. Fields a newer server adds are ignored.

A job and an entry are read with the JSON in them decoded, which the server's own structs only carry along; whatever has
no such thing in it is one of those.
"""

from typing import Any, Generic, TypeVar

import msgspec

from quaero.domain.wire import WireTally
from quaero.domain.wiretree import WireEta, WireStepState

T = TypeVar("T")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it stood when it was asked for. Times are RFC 3339 in UTC.

    `reason`, `steps` and `eta` come with one job only.
    """

    id: str
    kind: str
    name: str | None
    status: str
    parent_id: str | None
    root_id: str
    step: str | None
    attempt: int
    max_attempts: int
    round: int
    priority: int
    tags: list[str] | None
    payload: Any
    result: Any
    error: dict[str, Any] | None
    progress: dict[str, Any] | None
    counts: dict[str, Any] | None
    tally: WireTally
    progress_text: str
    warnings: int
    cancel_requested: bool
    created_at: str
    started_at: str | None
    finished_at: str | None
    version: int
    log_head: int
    reason: str | None = None
    steps: list[WireStepState] | None = None
    eta: WireEta | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether this round of it is over."""
        return self.status in ("completed", "failed", "cancelled")


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A journal entry. `line_number` counts within its step (or its job, without one), `seq` within the tree."""

    seq: int
    line_number: int
    timestamp: str
    level: str
    message: str
    job_id: str
    root_id: str
    step: str | None
    step_id: str | None
    originator: str
    fields: dict[str, Any] | None = None


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list. `next_cursor` is None on the last one."""

    items: list[T]
    total: int | None = None
    total_is_lower_bound: bool = False
    next_cursor: str | None = None


class Outcome(msgspec.Struct, frozen=True):
    """How many jobs an action touched, and the job as it stands now."""

    affected: int
    job: Job


class JobList(msgspec.Struct, frozen=True):
    """`GET /api/jobs` and `/children`."""

    jobs: list[Job]
    total_count: int
    total_is_lower_bound: bool
    next_cursor: str | None


class LogPage(msgspec.Struct, frozen=True):
    """`GET /api/jobs/{id}/logs`. `head`: the last entry of the tree. `mode`: `reset` when the cursor is of another."""

    logs: list[Entry]
    next_cursor: str | None
    head: int
    mode: str = "page"


class Ids(msgspec.Struct, frozen=True):
    """The answer to a bulk."""

    ids: list[str]
