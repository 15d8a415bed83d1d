"""What the rest of Quaero may ask of a store.

`Store` runs *transaction scripts* (plain functions of `engine/lifecycle`) and answers reads. A script gets a `Ledger`:
the unit of work of one transaction. It loads jobs under the store's lock, changes them in memory, and the ledger saves
everything at the end of the transaction, set-based, numbering the journal as it does. So one commit may carry hundreds
of scripts' work and still be a handful of statements.

Promises every store keeps (proved by `quaero.testing.StoreContract`):

- A script's changes are kept whole or not at all; when `write` returns, they survive a power cut.
- A script that raises changes nothing, and never harms the others of its commit.
- Journal numbers of a tree are dense; nothing becomes visible behind a number already seen.
- Reads see only committed states, each read one consistent moment.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import msgspec

from quaero.domain.entries import Entry
from quaero.domain.facts import Document, Limit, Lines
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.domain.tally import Tally

P = ParamSpec("P")
T = TypeVar("T")


class Note(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An entry Quaero itself writes: a change of status, a spawn, a marker.

    `status` of a change is the new one, else -1. `count` is how many were spawned, lost or skipped.
    """

    level: int
    message: str = ""
    status: int = -1
    count: int = 0
    fields: dict[str, Any] | None = None


class Want(msgspec.Struct, frozen=True):
    """A worker's appetite: up to `n` ready jobs of these kinds, of one tree only if `root_id` is given."""

    kinds: tuple[str, ...]
    n: int
    root_id: int | None = None


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


class Lookup(Protocol):
    """The questions a script may ask beyond loading by id. All answers are locked rows of this transaction."""

    def ready(self, want: Want) -> list[Job]:
        """Ready jobs, by priority, going round by root within a priority, honouring every limit."""

    def solo(self, want: Want) -> list[Job]:
        """Like `ready`, but only jobs lost so often that they must run alone (at most one is taken)."""

    def owned_by(self, worker_id: int, limit: int) -> list[Job]:
        """Jobs a worker holds."""

    def due(self, limit: int) -> list[Job]:
        """Pending jobs whose `run_at` has come and that nothing else holds back."""

    def children(
        self, parent_id: int, *, statuses: Iterable[JobStatus] | None = None, after: int = 0, limit: int = 1000
    ) -> list[Job]:
        """Direct children with an id above `after`, in order of id."""

    def open_leaves(self, top_id: int, limit: int) -> list[Job]:
        """Jobs at or below `top_id` that are pending or running and not asked to cancel yet, deepest last."""

    def open_below(self, top_id: int) -> bool:
        """Whether anything at or below `top_id` is not terminal."""

    def keyed(self, root_id: int, keys: Sequence[str]) -> dict[str, int]:
        """Ids of a tree's jobs by their keys."""

    def open_root(self, kind: str, key: str) -> int | None:
        """The non-terminal root of this kind and key."""

    def dependents(self, job_id: int) -> list[int]:
        """Ids of the siblings that wait for a job."""

    def lapsed(self, limit: int) -> list[WorkerRow]:
        """Workers whose lease has ended and that were not swept yet."""

    def cancelling(self) -> dict[int, frozenset[int]]:
        """Every root with cancellations under way, and the ids listed there."""

    def kind_info(self, kind: str) -> tuple[int, int] | None:
        """(max_attempts, timeout) of an announced kind, None if nobody ever announced it."""


class Ledger(Protocol):
    """One transaction's unit of work. Jobs are identity-mapped: loading twice gives the same object."""

    now: int  # microseconds since the epoch, by the store's clock, the same for the whole transaction
    find: Lookup

    def new_ids(self, n: int) -> int:
        """The first of `n` consecutive ids, above every id ever given. Ids are never used twice."""

    def load(self, ids: Iterable[int]) -> dict[int, Job]:
        """The jobs of these ids, locked until the commit; unknown ids are left out."""

    def guarded(self, pairs: Iterable[tuple[int, int]], owner: int) -> dict[int, Job]:
        """The jobs whose (id, epoch) is given and that `owner` holds. The fence: all others are left out."""

    def add(self, job: Job) -> None:
        """Keep a new job."""

    def touch(self, job: Job) -> None:
        """Save this job's changes at the end."""

    def note(self, job: Job, note: Note) -> None:
        """Append an entry to the job's journal."""

    def lines(self, job: Job, lines: Lines) -> None:
        """Append captured log lines to the job's journal."""

    def lane(self, job: Job) -> int:
        """The id of the lane (priority, kind, root, step, limit) this job queues in, made if new."""

    def limit_id(self, limit: Limit) -> int:
        """The id of a limit, made or updated to these bounds."""

    def depend(self, job_id: int, on: Iterable[int]) -> None:
        """Record that a job waits for others."""

    def count_error(self, job: Job, fingerprint: str, message: str, n: int) -> None:
        """Add `n` (1, or -1 when a failed job is retried) to a tree's error group."""

    def add_document(self, job: Job, document: Document) -> None:
        """Keep a document with a job."""

    def moved(self, job: Job, before: int, after: int) -> None:
        """Note a change of status for lanes, limits, global counters and subscribers (-1: did not exist)."""

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """A statement of the small tables (workers, definitions, tokens); the number of rows it changed."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """A query of the small tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs a list shows. `parent_id` None means any parent; `roots` only roots."""

    roots: bool = False
    parent_id: int | None = None
    root_id: int | None = None
    statuses: tuple[JobStatus, ...] = ()
    kind: str | None = None
    tag: str | None = None
    q: str | None = None  # substring of name, kind, key or id
    fingerprint: str | None = None
    descending: bool = True


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of jobs. `total` is exact unless `total_is_lower_bound`; `next_after` is None on the last page."""

    jobs: list[Job]
    total: int
    total_is_lower_bound: bool
    next_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which entries a reader wants. `job_id` alone: that job's own; with `below`: all under it too."""

    level: int = 0
    job_id: int | None = None
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
class Stats:
    """The whole queue at a glance. `throughput` is terminal jobs per second over the last minute."""

    counts: Tally
    throughput: float
    workers: list[WorkerRow] = field(default_factory=list)


class Store(Protocol):
    """Keeps jobs and journals. Every write is one transaction: all of it or none of it."""

    incarnation: str  # changes when a store is restored; part of every cursor

    async def write(self, script: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a script in a commit shared with whatever else is waiting; return its answer after the commit.

        Raises what the script raised, or StoreFull, StoreLocked, StoreUnavailable.
        """

    async def job(self, job_id: int) -> Job | None:
        """One job as it stands."""

    async def jobs_by_id(self, ids: Sequence[int]) -> list[Job]:
        """These jobs, in order of id; unknown ids are left out."""

    async def jobs(self, where: JobFilter, *, limit: int = 50, after: int | None = None) -> JobPage:
        """A page of jobs by id, from the far side of `after`."""

    async def steps(self, root_id: int) -> list[Job]:
        """The steps of a tree, in their order."""

    async def entries(
        self, root_id: int, where: EntryFilter, *, after: int = 0, limit: int = 1000, descending: bool = False
    ) -> EntryPage:
        """Matching entries on the far side of `after` (ascending: above it; descending: below it, 0 = from the head)."""

    async def errors(self, job_id: int) -> list[ErrorGroup]:
        """Failures of the tree the job belongs to, most frequent first."""

    async def documents(
        self, *, q: str | None = None, root_id: int | None = None, after: int = 0, limit: int = 50
    ) -> list[StoredDocument]:
        """Documents by id above `after`; with `q`, full-text hits, best first."""

    async def stats(self) -> Stats:
        """Counts, throughput and live workers."""

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """A query of the small tables (kinds, definitions, deliveries), read-only."""

    async def close(self) -> None:
        """Finish what is under way, then let go of the files."""
