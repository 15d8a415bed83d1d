"""What viewers look at, and how this process learns that it changed: one reader of state for all of them.

    view ──watch(rows)──> Interest ──one look for everybody: which trees moved, which shown rows are newer──> store
         <──moved(row)───          <──────────────────── the rows that are ──────────────────────────────────

A look costs by trees and rows watched, not by viewers: a row that a thousand watch is read once and encoded once. Rows
are read when the root of their tree has moved (every change of a status moves it), and open ones now and then besides,
because progress moves a job's own row only. What nobody looks at is not read at all. Values are absolute and versions
only grow, so reading twice does no harm.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Protocol

import msgspec

from quaero.clock import Clock
from quaero.domain.errors import QuaeroError
from quaero.domain.eta import Eta, Pace, estimate
from quaero.domain.job import Job
from quaero.domain.wirestate import wire_row
from quaero.domain.wiretree import WireEta
from quaero.gateway.lookout import Lookout, Moved
from quaero.gateway.turns import TURN_SECONDS
from quaero.storage.port import Mark, Store

SWEEP_SECONDS = 0.75  # progress moves a row and no journal: open rows are looked at this often
MOST_READ = 20_000  # rows in one look; the rest come with the next
MOST_NAMES = 20_000

_encode = msgspec.json.Encoder().encode


class Watcher(Protocol):
    """Told of the rows it watches."""

    def moved(self, row: "Row", before: Job | None) -> None:
        """A row is newer than it was (`before`: what was known of it)."""

    def gone(self, job_id: int) -> None:
        """A row is no more."""


class Row:
    """The newest state known of one job, and what was made of it, once for all who watch it."""

    __slots__ = ("_made", "_pace", "job", "name_of_step", "page", "page_as_of", "watchers")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.name_of_step: str | None = None
        self.watchers: set[Watcher] = set()
        self.page: str | None = None  # of a crawl: the URL that is being fetched, as of a version
        self.page_as_of = -1
        self._made: dict[str, str] = {}
        self._pace = Pace() if job.is_branch else None

    def renew(self, job: Job, now: int) -> None:
        """Take a newer state; what was made of the old one is void."""
        self.job = job
        self._made.clear()
        if job.is_branch and not job.is_terminal:
            self._pace = self._pace or Pace()
            self._pace.saw(now, job.shown_tally)

    def made(self, what: str, make: Callable[[Job], object]) -> str:
        """JSON of something made of this state; made once."""
        text = self._made.get(what)
        if text is None:
            text = self._made[what] = _encode(make(self.job)).decode()
        return text

    def as_row(self, now: int) -> str:
        """This job as a list shows it live, as JSON."""
        return self.made(
            "row", lambda job: wire_row(job, self._names(), now=now, eta=self._eta(now), rate=self._rate())
        )

    def _names(self) -> Mapping[int, str]:
        step_id = self.job.step_id
        return {step_id: self.name_of_step} if step_id is not None and self.name_of_step is not None else {}

    def _rate(self) -> float | None:
        return self._pace.rate if self._pace is not None and not self.job.is_terminal else None

    def _eta(self, now: int) -> WireEta | None:
        job = self.job
        if job.is_terminal or not job.is_branch:
            return None
        elapsed = now - job.started_at if job.started_at else 0
        eta: Eta | None = self._pace.eta(job.shown_tally, growing=not job.sealed) if self._pace is not None else None
        eta = eta or estimate(job.shown_tally, elapsed, growing=not job.sealed)
        return WireEta(eta.low // 1_000, eta.high // 1_000, eta.growing) if eta is not None else None


class _Tree:
    """The watched rows of one tree, and whether its root has moved since they were read."""

    __slots__ = ("ids", "is_gone", "moved")

    def __init__(self, moved: Moved) -> None:
        self.ids: set[int] = set()
        self.is_gone = False
        self.moved = moved


class Interest:
    """The rows that somebody watches. `look` brings them up to date; `stirred` says that it is worth looking."""

    def __init__(self, store: Store, lookout: Lookout, clock: Clock) -> None:
        self.stirred = asyncio.Event()
        self._store = store
        self._lookout = lookout
        self._clock = clock
        self._rows: dict[int, Row] = {}
        self._trees: dict[int, _Tree] = {}
        self._due: dict[int, None] = {}
        self._names: dict[int, str] = {}
        self._swept_at = 0.0

    async def watch(self, watcher: Watcher, jobs: Iterable[Job]) -> None:
        """Tell `watcher` of these rows from now on; what was just read of them counts as known.

        They are looked at once more: one may have moved after it was read and before it was watched.
        """
        jobs = list(jobs)
        await self._learn_names(jobs)
        for job in jobs:
            self._row_of(job).watchers.add(watcher)
            self._due[job.id] = None
        self.stirred.set()

    def unwatch(self, watcher: Watcher, ids: Iterable[int]) -> None:
        """Tell it of these rows no more."""
        for row in list(self.rows(ids)):
            row.watchers.discard(watcher)
            if not row.watchers:
                self._drop(row)

    def rows(self, ids: Iterable[int]) -> Iterator[Row]:
        """What is known of these rows, as far as they are watched."""
        return (row for job_id in ids if (row := self._rows.get(job_id)) is not None)

    async def learn_page(self, crawl: Row) -> None:
        """Which page of a crawl began last; looked up once for each state of it."""
        if crawl.page_as_of != crawl.job.version:
            crawl.page_as_of = crawl.job.version
            child = await self._store.running_child(crawl.job.id) if not crawl.job.is_terminal else None
            crawl.page = msgspec.json.decode(child.payload).get("url") if child is not None else None

    @property
    def watched(self) -> int:
        """How many rows somebody watches."""
        return len(self._rows)

    async def look(self) -> None:
        """Bring the watched rows up to date that can have changed, at most `MOST_READ` of them."""
        self.stirred.clear()
        now = self._clock.monotonic()
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            self._due.update((job_id, None) for job_id, row in self._rows.items() if not row.job.is_terminal)
        part = list(islice(self._due, MOST_READ))
        if part:
            await self._read(part)
        if self._due:
            self.stirred.set()

    async def _read(self, ids: list[int]) -> None:
        for job_id in ids:  # what moves from here on, while it is read, is due again
            self._due.pop(job_id, None)
        try:
            await self._renew(ids)
        except QuaeroError:
            self._due.update((job_id, None) for job_id in ids if job_id in self._rows)
            raise

    async def _renew(self, ids: list[int]) -> None:
        known = {row.job.id: row.job.version for row in self.rows(ids)}
        marks = await self._store.marks(ids)
        newer = [mark.id for mark in marks if mark.version > known.get(mark.id, mark.version)]
        jobs = await self._store.jobs_by_id(newer) if newer else []
        await self._learn_names(jobs)
        began = time.perf_counter()
        for job in jobs:
            if job.id in self._rows:
                self._row_of(job)
            if time.perf_counter() - began > TURN_SECONDS:
                await asyncio.sleep(0)  # a row may have a thousand watchers: let others have their turn
                began = time.perf_counter()
        lost = known.keys() - {mark.id for mark in marks} | (set(newer) - {job.id for job in jobs})
        lost.update(row.job.id for row in self.rows(ids) if self._trees[row.job.root_id].is_gone)
        for row in list(self.rows(lost)):
            for watcher in list(row.watchers):
                watcher.gone(row.job.id)
            self._drop(row)

    def _row_of(self, job: Job) -> Row:
        """The row of a job, at least as new as this; whoever watches is told."""
        row = self._rows.get(job.id)
        if row is None:
            row = self._rows[job.id] = Row(job)
            row.name_of_step = self._names.get(job.step_id) if job.step_id is not None else None
            row.renew(job, self._clock.now())
            self._tree_of(job.root_id).ids.add(job.id)
        elif job.version > row.job.version:
            before = row.job
            row.renew(job, self._clock.now())
            for watcher in list(row.watchers):
                watcher.moved(row, before)
        return row

    def _tree_of(self, root_id: int) -> _Tree:
        tree = self._trees.get(root_id)
        if tree is not None:
            return tree

        def moved(mark: Mark | None) -> None:
            made.is_gone = mark is None
            self._due.update(dict.fromkeys(made.ids))
            self.stirred.set()

        made = self._trees[root_id] = _Tree(moved)
        self._lookout.watch(root_id, moved)
        return made

    def _drop(self, row: Row) -> None:
        if self._rows.pop(row.job.id, None) is None:
            return
        self._due.pop(row.job.id, None)
        tree = self._trees[row.job.root_id]
        tree.ids.discard(row.job.id)
        if not tree.ids:
            self._lookout.unwatch(row.job.root_id, tree.moved)
            del self._trees[row.job.root_id]

    async def _learn_names(self, jobs: Iterable[Job]) -> None:
        """The names of the steps these jobs belong to."""
        missing = {job.step_id for job in jobs if job.step_id is not None} - self._names.keys()
        if missing:
            if len(self._names) + len(missing) > MOST_NAMES:
                self._names.clear()
            steps = await self._store.jobs_by_id(sorted(missing))
            self._names.update((step.id, step.name or step.kind) for step in steps)
