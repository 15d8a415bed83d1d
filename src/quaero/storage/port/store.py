"""The store: scripts in, reads out."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from quaero.domain.job import Job
from quaero.storage.port.ledger import Ledger
from quaero.storage.port.views import (
    Breakdown,
    ChildMap,
    Commits,
    EntryFilter,
    EntryPage,
    ErrorGroup,
    JobFilter,
    JobPage,
    Mark,
    Moment,
    Standing,
    Stats,
    StoredDocument,
    StretchPage,
)

P = ParamSpec("P")
T = TypeVar("T")


class Store(Protocol):
    """Keeps jobs and journals. Every write is one transaction: all of it or none of it."""

    incarnation: str  # changes when a store is restored; part of every cursor

    @property
    def commits(self) -> int:
        """Commits of this process so far."""

    async def write(self, script: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a script in a commit shared with whatever else is waiting; return its answer after the commit.

        Raises what the script raised, or StoreFull, StoreLocked, StoreUnavailable.
        """

    async def job(self, job_id: int) -> Job | None:
        """One job as it stands."""

    async def jobs_by_id(self, ids: Sequence[int]) -> list[Job]:
        """These jobs, in order of id; unknown ids are left out."""

    async def jobs(self, where: JobFilter, *, limit: int = 50, after: int | None = None, skip: int = 0) -> JobPage:
        """A page of jobs by id, from the far side of `after`, without the first `skip` (not of a sparse filter)."""

    async def longest(self, where: JobFilter, *, limit: int) -> list[Job]:
        """The children that took longest, or have so far, longest first."""

    async def quietest(self, parent_id: int, *, limit: int) -> list[Job]:
        """The running children whose last entry lies furthest back, longest silent first."""

    async def breakdown(self, where: JobFilter) -> Breakdown:
        """How many jobs match, by status, with what is below them; counted up to a bound.

        A range of children (`JobFilter.is_range`) is counted whole, what is below them up to a bound.
        """

    async def steps(self, root_id: int) -> list[Job]:
        """The steps of a tree, in their order."""

    async def entries(
        self, root_id: int, where: EntryFilter, *, after: int = 0, limit: int = 1000, descending: bool = False
    ) -> EntryPage:
        """Matching entries on the far side of `after` (descending: below it; 0: from the end)."""

    async def count_entries(self, root_id: int, where: EntryFilter, *, most: int) -> tuple[int, bool]:
        """How many entries match, up to `most`, and whether there may be more: long journals are not read whole."""

    async def before_line(self, root_id: int, counter_id: int, line: int) -> int:
        """The position right before a line number of a step, or of a job without one."""

    async def stretches(
        self, root_id: int, *, after: int, upto: int | None = None, limit: int = 5000, patient: bool = False
    ) -> StretchPage:
        """The journal beyond `after`, up to `upto` or the head; as many stretches as hold about `limit` entries,
        fewer where lines are long.

        `patient` reads wait behind each other, never before others.
        """

    async def marks(self, ids: Sequence[int]) -> list[Mark]:
        """How far these rows have moved; deleted jobs are left out. Cheap enough to ask often."""

    async def standing(self, job_id: int) -> Standing | None:
        """A job as it stands, with what is told together with it."""

    async def parents(self, ids: Sequence[int]) -> dict[int, int | None]:
        """The parents of jobs, by id."""

    async def running_child(self, parent_id: int) -> Job | None:
        """The child of a job that began last, of those that run now."""

    async def children_after(self, parent_id: int, after: int, *, limit: int) -> list[tuple[int, int]]:
        """Ids and statuses of children with an id above `after`, in order of id."""

    async def newest_child(self, parent_id: int, *, before: int | None = None) -> int | None:
        """The highest id of a job's children, of those made before a time (microseconds) if given.

        0 if there is none, None if it lies more than some ten thousand children back.
        """

    async def newest(self) -> tuple[int, int]:
        """The number of the newest commit that recorded something, and the newest root; both grow."""

    async def trees_since(self, commit: int, root: int, known: Collection[int]) -> Commits:
        """Commits beyond this number that are not `known`, with their trees, and roots beyond `root`.

        A commit may become visible up to 10 s after a later one.
        """

    async def errors(self, job_id: int) -> list[ErrorGroup]:
        """Failures of the tree the job belongs to, most frequent first."""

    async def child_map(self, parent_id: int, by: str) -> ChildMap | None:
        """One code for every child of a job, `by` "status" (its number), "duration" or "error"; None without a job."""

    async def child_durations(self, ids: Collection[int]) -> dict[int, int]:
        """The codes of a map by duration of these jobs, as they stand."""

    async def growing(self, parent_id: int) -> tuple[int, dict[int, int]]:
        """The same codes of a job's children whose time goes on, and the head of the journal at which they hold."""

    async def fingerprints(self, ids: Collection[int]) -> dict[int, str]:
        """What these jobs failed with, "" where that is not known; jobs that did not fail are left out."""

    async def documents(
        self, *, q: str | None = None, root_id: int | None = None, after: int = 0, limit: int = 50
    ) -> list[StoredDocument]:
        """Documents by id above `after`; with `q`, full-text hits, best first, behind the first `after` of them."""

    async def stats(self) -> Stats:
        """Counts, throughput and live workers."""

    async def history(self) -> list[Moment]:
        """Throughput and latency as they were every 10 s in the last 10 minutes, oldest first."""

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """A query of the small tables (kinds, definitions, deliveries), read-only."""

    async def tidy(self, keep_logs: int) -> bool:
        """Do a bounded piece of upkeep: compact journals, trim entries older than `keep_logs` microseconds (0: none)
        from the service log and open trees. Whether there is more to do."""

    async def close(self) -> None:
        """Finish what is under way, then let go of the files."""
