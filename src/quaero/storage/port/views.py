"""What reads take and give: filters, pages, and the rows of small tables."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import msgspec

from quaero.domain.entries import Entry
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.domain.tally import Tally


class WorkerRow(msgspec.Struct, kw_only=True):
    """One start of a worker process. `lease_until` in microseconds since the epoch, by the store's clock."""

    id: int
    identity: str
    host: str
    pid: int
    started_at: int
    lease_until: int
    state: str = "live"  # live | draining | gone
    kinds: str = "[]"  # JSON array of names


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs a list shows. `parent_id` None means any parent; `roots` only roots.

    `children`: of this parent's those from one id to another.
    """

    roots: bool = False
    parent_id: int | None = None
    children: tuple[int, int] | None = None
    root_id: int | None = None
    statuses: tuple[JobStatus, ...] = ()
    kind: str | None = None
    tag: str | None = None
    definition: str | None = None  # roots made from it
    q: str | None = None  # substring of name, kind, key or id
    fingerprint: str | None = None
    ids: tuple[int, ...] | None = None
    other_than: str | None = None  # a kind left out
    created_after: int | None = None  # microseconds since the epoch, itself included
    created_before: int | None = None  # itself excluded
    descending: bool = True

    @property
    def is_range(self) -> bool:
        """Whether it asks only which of neighbouring children, and in which status: then all of them are counted."""
        return self.children is not None and self == JobFilter(
            parent_id=self.parent_id, children=self.children, statuses=self.statuses, descending=self.descending
        )

    @property
    def is_sparse(self) -> bool:
        """Whether it asks more of a job than where it stands, so that few of many may match."""
        return self != JobFilter(roots=self.roots, parent_id=self.parent_id, descending=self.descending)


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of jobs. `total` is exact unless `total_is_lower_bound`; `next_after` is None on the last page.

    A page may hold fewer jobs than asked for and still not be the last: then few matched of many that were looked at.
    """

    jobs: list[Job]
    total: int
    total_is_lower_bound: bool
    next_after: int | None


@dataclass(frozen=True, slots=True)
class Matches:
    """Ids that match a filter, oldest first. `goes_on` is the id to go on after; None when all were seen."""

    ids: list[int]
    goes_on: int | None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Jobs that match a filter by status, and for each of these statuses what is below them, steps excluded.

    There may be more that match, or more below, than were counted.
    """

    counts: Tally
    below: dict[int, Tally]
    is_lower_bound: bool
    is_below_lower_bound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which entries a reader wants. `job_id` alone: that job's own; with `below`: all under it too.

    With `children`: those of its children from one id to another, and of all under them.
    """

    level: int = 0
    job_id: int | None = None
    children: tuple[int, int] | None = None
    step_id: int | None = None
    below: bool = True
    q: str | None = None  # case-insensitive substring of the message
    since: int = 0  # microseconds since the epoch


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Entries in the order asked for. `scanned_to` is the position up to which the journal was looked at."""

    entries: list[Entry]
    scanned_to: int
    head: int
    oldest: int


class Change(NamedTuple):
    """A change of a job's status, as the journal has it."""

    seq: int
    job_id: int
    step_id: int | None
    status: int


class Stretch(Protocol):
    """Neighbouring entries of one tree as they lie in its journal: decoded only as far as somebody asks."""

    @property
    def first(self) -> int:
        """The number of its first entry."""

    @property
    def last(self) -> int:
        """The number of its last entry."""

    def entries(self, *, level: int = 0, step_id: int | None = None) -> Iterator[Entry]:
        """Its entries of a level and above, of one step if it is given; steps are not named."""

    def changes(self) -> Iterator[Change]:
        """Every change of a status in it."""


@dataclass(frozen=True, slots=True)
class StretchPage:
    """Stretches in order, without a hole from the position asked for up to `to`. `oldest` is the first one kept."""

    stretches: list[Stretch]
    to: int
    head: int
    oldest: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A job with the steps of its tree, if it is the root of a definition, and the tree's head; one moment."""

    job: Job
    steps: list[Job]
    head: int


class Mark(NamedTuple):
    """How far a job's row has moved: nothing it shows has changed while `version` and `head` have not."""

    id: int
    version: int
    status: int
    head: int  # of its own journal; 0 below roots


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Failures of one fingerprint in a tree."""

    fingerprint: str
    message: str
    count: int
    first_at: int
    last_at: int
    example_ids: list[int]


@dataclass(frozen=True, slots=True)
class ChildMap:
    """One code for each child of a job, in order of id, as it was when its tree's journal ended at `head`.

    `runs` are ids that follow each other: (first, how many). `groups` are what the codes of failures stand for.
    """

    parent: Job
    head: int
    runs: list[tuple[int, int]]
    codes: bytes
    groups: list[ErrorGroup] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A kept document; `snippet` marks the hit of a search in plain text."""

    id: int
    job_id: int
    root_id: int
    url: str
    title: str
    text: str
    fields: dict[str, Any]
    truncated: bool
    at: int
    snippet: str = ""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long jobs that started in the last minute had been ready before, in microseconds."""

    p50: int
    p95: int
    most: int


@dataclass(frozen=True, slots=True)
class Stats:
    """The whole queue at a glance. `throughput` is terminal jobs per second over the last minute.

    `latency` is None if nothing started in that minute.
    """

    counts: Tally
    throughput: float
    latency: Latency | None = None
    workers: list[WorkerRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Moment:
    """What `Stats` would have told of throughput and latency at a time (microseconds since the epoch)."""

    at: int
    throughput: float
    latency: Latency | None


@dataclass(frozen=True, slots=True)
class Commits:
    """Commits by number, the trees they recorded something in or made, and the newest root that was looked at.

    A tree may be named that has not changed.
    """

    commits: list[int]
    roots: list[int]
    newest_root: int
