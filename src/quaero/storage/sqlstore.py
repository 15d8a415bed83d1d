"""The store over SQL: scripts go to the one writer thread of this process, reads to a small pool beside it.

Which database it is, the URL says; a `Backend` is all that differs.
"""

import asyncio
import secrets
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from random import Random, SystemRandom
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from quaero.clock import Clock
from quaero.domain.entries import Level
from quaero.domain.errors import InvalidInput
from quaero.domain.job import Job
from quaero.storage import childcodes, childmap, commits, history, joblists, journalreads, reads, stretches, upkeep
from quaero.storage.connection import Connection, Row
from quaero.storage.groupcommit import GroupCommit, OnCommit, Transactions, tell_nobody
from quaero.storage.ledger import SqlLedger
from quaero.storage.port import (
    Breakdown,
    ChildMap,
    Commits,
    EntryFilter,
    EntryPage,
    ErrorGroup,
    JobFilter,
    JobPage,
    Ledger,
    Mark,
    Moment,
    Standing,
    Stats,
    StoredDocument,
    StretchPage,
)
from quaero.storage.sqlite import SqliteWriter, database_path

P = ParamSpec("P")
T = TypeVar("T")
READERS = 2
PATIENT_READERS = 1
NO_DRIVER = "a PostgreSQL store needs its driver: pip install 'quaero-jobs[postgresql]'"


class Backend(Transactions, Protocol):
    """One database: transactions for the writer thread, connections for readers."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for this thread that sees one moment, for the length of a block."""

    def now(self, db: Connection) -> int:
        """Microseconds since the epoch by the store's clock."""

    def close(self) -> None:
        """Let go of every connection."""


class SqlStore:
    """Implements `storage.port.Store`. Use `SqlStore.open`; close it when done."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._commits = GroupCommit(backend)
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="quaero-reader")
        self._patient_pool = ThreadPoolExecutor(PATIENT_READERS, thread_name_prefix="quaero-patient")
        self._upkeep = upkeep.Upkeep()
        self._closed = False
        with backend.reading() as db:
            self.incarnation = reads.incarnation(db)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Clock | None = None,
        child_changes: Level = Level.DEBUG,
        on_commit: OnCommit = tell_nobody,
        vfs: str | None = None,
        rng: Random | None = None,
    ) -> "SqlStore":
        """Open or make the store of a `sqlite:///` or `postgresql://` URL.

        `on_commit` is called on the writer thread after every commit that changed something. `clock`: the store's
        own unless given (of this machine, or of the database). `vfs`: SQLite's file layer, for tests.
        Raises InvalidInput for another URL, StoreUnsafe, StoreLocked or StoreUnavailable saying what to do.
        """
        common: dict[str, Any] = {
            "clock": clock,
            "writer": secrets.token_hex(8),
            "child_level": child_changes,
            "rng": rng or SystemRandom(),
            "on_commit": on_commit,
        }
        if is_postgres(url):
            return cls(_postgres_writer(url, **common))
        return cls(SqliteWriter(database_path(url), vfs=vfs, **common))

    async def __aenter__(self) -> "SqlStore":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def write(self, script: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a script in a shared commit; its answer comes after the commit."""
        answer: T = await asyncio.wrap_future(self._commits.submit(script, args, kwargs))
        return answer

    async def _read(self, read: Callable[..., T], *args: Any) -> T:
        return await self._read_in(self._pool, read, *args)

    async def _read_in(self, pool: ThreadPoolExecutor, read: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, self._with_reader, read, args)

    def _with_reader(self, read: Callable[..., T], args: tuple[Any, ...]) -> T:
        with self._backend.reading() as db:
            return read(db, *args)

    async def job(self, job_id: int) -> Job | None:
        """One job as it stands."""
        found = await self._read(reads.jobs_by_id, [job_id])
        return found[0] if found else None

    async def jobs_by_id(self, ids: Sequence[int]) -> list[Job]:
        """These jobs, in order of id."""
        return await self._read(reads.jobs_by_id, list(ids))

    async def jobs(self, where: JobFilter, *, limit: int = 50, after: int | None = None, skip: int = 0) -> JobPage:
        """A page of jobs by id."""
        return await self._read(joblists.jobs, where, limit, after, skip)

    async def longest(self, where: JobFilter, *, limit: int) -> list[Job]:
        """The children that took longest."""
        return await self._read(lambda db: joblists.longest(db, where, limit, self._backend.now(db)))

    async def quietest(self, parent_id: int, *, limit: int) -> list[Job]:
        """The running children that are longest silent."""
        return await self._read(joblists.quietest, parent_id, limit)

    async def breakdown(self, where: JobFilter) -> Breakdown:
        """How many jobs match, by status, with what is below them."""
        return await self._read(joblists.breakdown, where)

    async def steps(self, root_id: int) -> list[Job]:
        """The steps of a tree, in their order."""
        return await self._read(reads.steps, root_id)

    async def entries(
        self, root_id: int, where: EntryFilter, *, after: int = 0, limit: int = 1000, descending: bool = False
    ) -> EntryPage:
        """Matching journal entries on the far side of `after`."""
        return await self._read(journalreads.entries, root_id, where, after, limit, descending)

    async def count_entries(self, root_id: int, where: EntryFilter, *, most: int) -> tuple[int, bool]:
        """How many entries match, up to a bound."""
        return await self._read(journalreads.count, root_id, where, most)

    async def before_line(self, root_id: int, counter_id: int, line: int) -> int:
        """The position right before a line number."""
        return await self._read(journalreads.before_line, root_id, counter_id, line)

    async def stretches(
        self, root_id: int, *, after: int, upto: int | None = None, limit: int = 5000, patient: bool = False
    ) -> StretchPage:
        """The journal beyond `after`, as it lies."""
        pool = self._patient_pool if patient else self._pool
        return await self._read_in(pool, stretches.stretches, root_id, after, upto, limit)

    async def marks(self, ids: Sequence[int]) -> list[Mark]:
        """How far these rows have moved."""
        return await self._read(stretches.marks, list(ids))

    async def standing(self, job_id: int) -> Standing | None:
        """A job as it stands, with what is told together with it."""
        return await self._read(stretches.standing, job_id)

    async def parents(self, ids: Sequence[int]) -> dict[int, int | None]:
        """The parents of jobs, by id."""
        return await self._read(stretches.parents, list(ids))

    async def running_child(self, parent_id: int) -> Job | None:
        """The child of a job that began last, of those that run now."""
        return await self._read(reads.running_child, parent_id)

    async def children_after(self, parent_id: int, after: int, *, limit: int) -> list[tuple[int, int]]:
        """Ids and statuses of children with an id above `after`."""
        return await self._read(childmap.children_after, parent_id, after, limit)

    async def newest_child(self, parent_id: int, *, before: int | None = None) -> int | None:
        """The highest id of a job's children, of those made before a time if given."""
        return await self._read(childmap.newest_child, parent_id, before)

    async def newest(self) -> tuple[int, int]:
        """The newest commit that recorded something, and the newest root."""
        return await self._read(commits.newest)

    async def trees_since(self, commit: int, root: int, known: Collection[int]) -> Commits:
        """Commits beyond this number that are not known, with their trees, and roots beyond `root`."""
        return await self._read(commits.trees_since, commit, root, known)

    async def errors(self, job_id: int) -> list[ErrorGroup]:
        """Failures of the tree the job belongs to."""
        job = await self.job(job_id)
        return await self._read(reads.errors, job.root_id) if job is not None else []

    async def child_map(self, parent_id: int, by: str) -> ChildMap | None:
        """One code for every child of a job."""
        return await self._read(lambda db: childmap.child_map(db, parent_id, by, self._backend.now(db)))

    async def child_durations(self, ids: Collection[int]) -> dict[int, int]:
        """The codes of a map by duration of these jobs."""
        return await self._read(lambda db: childcodes.durations(db, ids, self._backend.now(db)))

    async def growing(self, parent_id: int) -> tuple[int, dict[int, int]]:
        """The codes of children whose time goes on."""
        return await self._read(lambda db: childcodes.growing(db, parent_id, self._backend.now(db)))

    async def fingerprints(self, ids: Collection[int]) -> dict[int, str]:
        """What these jobs failed with."""
        return await self._read(childcodes.fingerprints, ids)

    async def documents(
        self, *, q: str | None = None, root_id: int | None = None, after: int = 0, limit: int = 50
    ) -> list[StoredDocument]:
        """Documents by id, or full-text hits."""
        return await self._read(reads.documents, q, root_id, after, limit)

    async def stats(self) -> Stats:
        """Counts, throughput and live workers."""
        return await self._read(lambda db: reads.stats(db, self._backend.now(db)))

    async def history(self) -> list[Moment]:
        """Throughput and latency as they were of late."""
        return await self._read(lambda db: history.history(db, self._backend.now(db)))

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """A query of the small tables."""
        return await self._read(lambda db: db.rows(sql, params))

    async def tidy(self, keep_logs: int) -> bool:
        """Do a bounded piece of upkeep; whether there is more to do."""

        def tend(ledger: Ledger) -> bool:
            # how journals lie on disk is this store's own affair: the script needs its own ledger
            return self._upkeep.tend(cast(SqlLedger, ledger), keep_logs)

        return bool(await self.write(tend))

    @property
    def commits(self) -> int:
        """Commits of this process so far."""
        return self._commits.commits

    @property
    def stalled(self) -> float:
        """Seconds for which the commit under way has taken; 0 when there is none."""
        return self._commits.stalled

    async def close(self) -> None:
        """Finish what is under way, then let go of the files."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._commits.close)
        self._pool.shutdown(wait=True)
        self._patient_pool.shutdown(wait=True)
        self._backend.close()


def is_postgres(url: str) -> bool:
    """Whether a store's URL names a PostgreSQL database."""
    return urlsplit(url).scheme in ("postgresql", "postgres")


def _postgres_writer(url: str, **options: Any) -> Backend:
    try:
        from quaero.storage.postgres.writer import PostgresWriter
    except ImportError as missing:
        if missing.name not in ("psycopg", "psycopg_binary", "psycopg_c"):
            raise
        raise InvalidInput(NO_DRIVER) from None
    return PostgresWriter(url, **options)
