"""What a transaction script may do: the ledger, one transaction's unit of work."""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, Protocol

import msgspec

from quaero.domain.entries import Level
from quaero.domain.events import Event
from quaero.domain.facts import Document, Limit, Lines
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.storage.port.views import JobFilter, Matches, WorkerRow


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


class Siblings(msgspec.Struct, frozen=True):
    """Children of one parent that wait in one lane and were never reserved or told of: ids, not loaded."""

    root_id: int
    parent_id: int
    step_id: int | None
    lane_id: int
    ids: list[int]
    limits: tuple[int, ...] = ()  # that hold for their lane
    is_step: int = 0


class Lookup(Protocol):
    """The questions a script may ask beyond loading by id.

    Every answer sees what this transaction has changed so far, as locked jobs of the ledger.
    """

    def owned_by(self, worker_id: int, limit: int) -> list[Job]:
        """Jobs a worker holds."""

    def due(self, limit: int) -> list[Job]:
        """Pending jobs whose `run_at` has come and that nothing else holds back."""

    def next_due(self) -> int:
        """The earliest moment at which something becomes ready by time alone; 0 if nothing will."""

    def children(
        self, parent_id: int, *, statuses: Iterable[JobStatus] | None = None, after: int = 0, limit: int = 1000
    ) -> list[Job]:
        """Direct children with an id above `after`, in order of id."""

    def subtree(self, top_id: int, *, statuses: Iterable[JobStatus], limit: int) -> list[Job]:
        """Jobs at or below `top_id` in these statuses, in order of id."""

    def count_below(self, top_id: int, statuses: Iterable[JobStatus]) -> int:
        """How many jobs at or below `top_id` are in these statuses."""

    def open_leaves(self, top_id: int, limit: int) -> list[Job]:
        """Jobs at or below `top_id` that are pending, or running and not asked to cancel yet."""

    def held_below(self, top: Job, limit: int) -> list[Job]:
        """Jobs of a root's tree or of a step that a worker holds and that were not asked to cancel yet."""

    def queued_below(self, top: Job, limit: int, *, children: bool) -> list[Siblings]:
        """Ready leaves of a root's tree or of a step that nobody waits for and that have no past, `limit` at most;
        with `children`, only its direct ones."""

    def keyed(self, root_id: int, keys: Sequence[str]) -> dict[str, int]:
        """Ids of a tree's jobs by their keys."""

    def open_root(self, kind: str, key: str) -> int | None:
        """The non-terminal root of this kind and key."""

    def dependents(self, job_id: int) -> list[int]:
        """Ids of the siblings that wait for a job."""

    def waits_for(self, job_id: int) -> list[int]:
        """Ids of the siblings a job waits for."""

    def learn_what_wait(self, job_ids: Iterable[int]) -> None:
        """Learn in one question what these wait for: each of them will be asked about."""

    def matching(self, where: JobFilter, *, after: int, upto: int, limit: int) -> Matches:
        """Ids above `after` and not above `upto` that match, a bounded part of them."""

    def lapsed(self, limit: int) -> list[WorkerRow]:
        """Workers whose lease has ended and that were not swept yet."""


class JobLedger(Protocol):
    """Jobs of one transaction. They are identity-mapped: loading twice gives the same object."""

    @property
    def now(self) -> int:
        """Microseconds since the epoch by the store's clock, the same for the whole transaction."""

    @property
    def rng(self) -> Random:
        """Chance, for back-off."""

    @property
    def find(self) -> Lookup:
        """Questions beyond loading by id."""

    def new_ids(self, n: int) -> int:
        """The first of `n` consecutive ids, above every id ever given. Ids are never used twice."""

    def load(self, ids: Iterable[int]) -> dict[int, Job]:
        """The jobs of these ids, locked until the commit; unknown ids are left out."""

    def load_above(self, jobs: Iterable[Job]) -> None:
        """Load what changes of these jobs may reach: the rows above them, in one go and in the order of locks."""

    def get(self, job_id: int) -> Job:
        """One job that must exist."""

    def guarded(self, pairs: Iterable[tuple[int, int]], owner: int) -> dict[int, Job]:
        """The jobs whose (id, epoch) is given and that `owner` holds. The fence: all others are left out."""

    def above(self, job: Job | Siblings) -> list[tuple[list[int], int]]:
        """The tallies a change of this job moves: (counts, offset of the first), its parent's before others."""

    def add(self, job: Job) -> None:
        """Keep a new job."""

    def add_alike(self, sample: Job, payloads: Sequence[bytes]) -> None:
        """Keep new jobs, numbered from the id of `sample` on, that differ from it in their payload only.

        They are stored, not loaded.
        """

    def touch(self, job: Job) -> None:
        """Save this job's changes."""

    def claim(self, want: Want, owner: int, may: Callable[[Job], bool]) -> list[Job]:
        """Reserve ready jobs for a worker, each under a new epoch, and no job for two.

        By priority, going round by tree within a priority, honouring every limit; of those that are next, only the
        ones that `may` be reserved; nobody is asked while nothing is being cancelled.
        """

    def not_being_cancelled(self, jobs: Sequence[Job]) -> list[Job]:
        """These jobs but for those whose trees somebody is about to cancel; what is listed is true until the commit."""

    def complete(self, jobs: Sequence[Job]) -> None:
        """Save leaves whose records went from reserved to completed in this transaction, never touched between."""

    def end_queued(self, siblings: Siblings, status: JobStatus, reason: str | None) -> None:
        """End jobs that had not begun: their rows, and an entry of each; their tallies are still to move."""

    def discount(self, status: int, n: int) -> None:
        """Take `n` jobs of this status, which are being removed, out of the global counts."""


class RecordLedger(Protocol):
    """What a transaction records beside the jobs' own rows."""

    @property
    def child_level(self) -> Level:
        """How loud a change of status below roots and steps is."""

    def note(self, job: Job, note: Note) -> None:
        """Append an entry to the job's journal."""

    def ran_through(self, jobs: Sequence[Job], level: Level) -> None:
        """Append the start and the end of leaves without any entry yet, in this order: roots, or children of one
        parent and step whose tallies are still to move. Their records learn the numbers."""

    def lines(self, job: Job, lines: Lines) -> None:
        """Append captured log lines to the job's journal."""

    def count_error(self, job: Job, fingerprint: str, message: str, n: int) -> None:
        """Add `n` (1, or -1 when a failed job is retried) to a tree's error group."""

    def add_document(self, job: Job, document: Document) -> None:
        """Keep a document with a job."""

    @property
    def is_shared(self) -> bool:
        """Whether other transactions write at the same time."""

    @property
    def has_subscribers(self) -> bool:
        """Whether any event has a subscriber at all."""

    def tell(self, event: Event) -> None:
        """Hand an event to its subscribers, if it has any."""


class QueueLedger(Protocol):
    """Lanes, limits, dependencies, cancellations, and the small tables."""

    def admit(self) -> None:
        """Raise StoreFull when the disk has too little room for new trees; what is accepted goes on."""

    def lane(self, job: Job) -> int:
        """The id of the lane (priority, kind, root, step, limits) this job queues in, made if new."""

    def limit_id(self, limit: Limit) -> int:
        """The id of a limit, made or updated to these bounds."""

    def limit_of_step(self, step_id: int) -> int | None:
        """The id of the limit that stands for a step's `limit`, if it has one."""

    def depend(self, job_id: int, on: Iterable[int]) -> None:
        """Record that a job waits for others."""

    def kind_info(self, kind: str) -> tuple[int, int] | None:
        """(max_attempts, timeout in microseconds) of an announced kind, None if nobody ever announced it."""

    @property
    def cancel_lists(self) -> dict[int, dict[int, str]]:
        """Every root with cancellations under way: {root: {listed job: mode}}."""

    def list_cancel(self, root: Job, listed: dict[int, str]) -> None:
        """Replace a root's list of cancellations; an empty one ends them."""

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """A statement of the small tables (workers, definitions, deliveries); the number of rows it changed."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """A query of the small tables."""

    def claimed(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """A query for rows nobody else may have until the commit; those others have are left out."""

    def steady(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """A query for rows nobody may change until the commit; those others are changing are left out."""


class Ledger(JobLedger, RecordLedger, QueueLedger, Protocol):
    """One transaction's unit of work."""
