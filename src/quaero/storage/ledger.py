"""The unit of work of one transaction, over SQL.

    load ──> scripts change `Job`s in memory ──> flush: number the journal, save what was touched, fold the counters

Every difference that other rows must learn of (a lane's ready count, a limit's use, the global counters) is computed
at the flush from what was loaded and what is saved, so no script can forget one. A flush is a fixed number of
statements however many jobs moved.
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from random import Random
from typing import Any

from quaero.domain.entries import Level
from quaero.domain.events import Event
from quaero.domain.facts import Document, Limit, Lines
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.failpoints import failpoint
from quaero.storage.claims import Claims, May
from quaero.storage.connection import Connection, Row
from quaero.storage.dependencies import Dependencies
from quaero.storage.extras import Extras
from quaero.storage.journalwriter import JournalWriter
from quaero.storage.lanes import Lanes
from quaero.storage.leaves import LeafMap
from quaero.storage.locks import Locks
from quaero.storage.lookup import SqlLookup
from quaero.storage.memory import Memory
from quaero.storage.port import Note, Siblings, Want
from quaero.storage.rotation import Rotation
from quaero.storage.scattered import Scattered
from quaero.storage.sharing import Share
from quaero.storage.trail import Trail


class SqlLedger(LeafMap):
    """Implements `storage.port.Ledger`; whoever made it calls `flush` once more right before the commit."""

    def __init__(
        self,
        db: Connection,
        *,
        now: int,
        locks: Locks,
        writer: str,
        child_level: Level,
        rng: Random,
        admit: Callable[[], None] = lambda: None,
        memory: Memory | None = None,
        is_alone: bool = False,
        rotation: Rotation | None = None,
        trail: Trail | None = None,
        scattered: Scattered | None = None,
    ) -> None:
        super().__init__(db, locks, memory or Memory(), is_alone)
        self.admit = admit
        self.now = now
        self.rng = rng
        self.child_level = child_level
        self.find = SqlLookup(db, self)
        self._trail = trail or Trail()
        self._trail.begin()
        self._claims = Claims(db, self, self._trail)
        self.queues = Lanes(db, now, locks, self._new, rotation or Rotation())
        self.dependencies = Dependencies(db)
        self._extras = Extras(db, now, writer)
        self.scattered = scattered or Scattered()
        self._journal = JournalWriter(self)
        self._kinds: dict[str, tuple[int, int] | None] = {}
        self._cancel_lists: dict[int, dict[int, str]] | None = None
        self._relisted: set[int] = set()  # roots whose rows do not say yet what is listed

    def note(self, job: Job, note: Note) -> None:
        """Append an entry to the job's journal."""
        self._journal.note(job, note)

    def lines(self, job: Job, lines: Lines) -> None:
        """Append captured lines to the job's journal."""
        self._journal.lines(job, lines)

    def ran_through(self, jobs: Sequence[Job], level: Level) -> None:
        """Append the start and the end of leaves."""
        self._journal.ran_through(jobs, level)

    def end_queued(self, siblings: Siblings, status: JobStatus, reason: str | None) -> None:
        """End jobs that had not begun: their rows, and an entry of each."""
        first = self._journal.ended(siblings, self.child_level, int(status), reason or "")
        self.end_unread(siblings, status, reason, self.now, first)

    def claim(self, want: Want, owner: int, may: May) -> list[Job]:
        """Reserve ready jobs for a worker."""
        return self._claims.claim(want, owner, may)

    def lane(self, job: Job) -> int:
        """The lane this job queues in, made if new."""
        return self.queues.lane(job)

    def serve(self, shares: Iterable[Share]) -> None:
        """These lanes had their turn."""
        self.queues.serve(shares)

    def limit_id(self, limit: Limit) -> int:
        """The id of a limit, made or updated to these bounds."""
        return self.queues.limit_id(limit)

    def limit_of_step(self, step_id: int) -> int | None:
        """The limit that stands for a step's `limit`, if it has one."""
        return self.queues.limit_of_step(step_id)

    def depend(self, job_id: int, on: Iterable[int]) -> None:
        """Record that a job waits for others."""
        self.dependencies.add(job_id, on)

    def count_error(self, job: Job, fingerprint: str, message: str, n: int) -> None:
        """Add `n` to a tree's error group."""
        self._extras.count_error(job, fingerprint, message, n)

    def add_document(self, job: Job, document: Document) -> None:
        """Keep a document with a job."""
        self._extras.add_document(job, document)

    def tell(self, event: Event) -> None:
        """Hand an event to its subscribers, if it has any."""
        self._extras.tell(event)

    @property
    def trees(self) -> Collection[int]:
        """The trees in whose journals this transaction has stored something."""
        return self._journal.trees

    @property
    def has_work(self) -> bool:
        """Whether others may have something to do, or to stop, because of this transaction."""
        return self.queues.has_grown or bool(self._cancel_lists)

    @property
    def is_shared(self) -> bool:
        """Whether other transactions write at the same time."""
        return self.locks.are_shared

    @property
    def has_subscribers(self) -> bool:
        """Whether any event has a subscriber at all."""
        return self._extras.has_subscribers

    def kind_info(self, kind: str) -> tuple[int, int] | None:
        """(max_attempts, timeout in microseconds) of an announced kind, None if nobody ever announced it."""
        if kind not in self._kinds:
            found = self.db.rows("select max_attempts, timeout from kind where kind = ?", (kind,))
            self._kinds[kind] = (found[0][0], found[0][1]) if found else None
        return self._kinds[kind]

    @property
    def cancel_lists(self) -> dict[int, dict[int, str]]:
        """Every root with cancellations under way: {root: {listed job: mode}}."""
        if self._cancel_lists is None:
            self._cancel_lists = self.find.cancelling()
        return self._cancel_lists

    def list_cancel(self, root: Job, listed: dict[int, str]) -> None:
        """Replace a root's list of cancellations; an empty one ends them."""
        lists = self.cancel_lists
        if listed:
            self.locks.alone(root.id)
            lists[root.id] = listed
        else:
            lists.pop(root.id, None)
        root.become_branch()
        self.touch(root)
        self._relisted.add(root.id)

    def note_cancelling(self, root_id: int, text: str | None) -> None:
        """What a root's row lists, read while it is held: it may have changed since the lists were."""
        if self._cancel_lists is not None:
            self._cancel_lists.pop(root_id, None)
            if text:
                self._cancel_lists[root_id] = {int(job_id): mode for job_id, mode in json.loads(text).items()}

    def _load_branches(self, ids: list[int]) -> None:
        super()._load_branches(ids)
        if self.locks.are_shared:
            for job_id in ids:
                job = self._jobs[job_id]
                if job.parent_id is None:
                    self.note_cancelling(job_id, job.cancelling)

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """A statement of the small tables."""
        return self.db.run(sql, params)

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """A query of the small tables."""
        return self.db.rows(sql, params)

    def claimed(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """A query whose rows no other transaction holds; this one does until its commit."""
        return self.db.rows(sql + self.db.dialect.claimed, params)

    def steady(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """A query whose rows nobody changes before the commit; those somebody just changes are left out."""
        return self.db.rows(sql + self.db.dialect.steady, params)

    def not_being_cancelled(self, jobs: Sequence[Job]) -> list[Job]:
        """These jobs but for those whose trees somebody is about to cancel; the lists are true until the commit."""
        if not jobs:
            return []
        free = self.locks.cancelling({job.root_id for job in jobs}.difference(self._jobs))
        for root_id, text in free.items():
            self.note_cancelling(root_id, text)
        return [job for job in jobs if job.root_id in free or job.root_id in self._jobs]

    # --- saving

    def flush(self) -> None:
        """Write everything so far. Roots go last: their rows carry the heads and cancel lists others wait for.

        Called before every commit, and before a lookup that must see what this transaction has changed.
        """
        if not (
            self._new
            or self._touched
            or self.has_short_ways_to_save
            or self.queues.waiting
            or self.dependencies.waiting
            or self._extras.waiting
            or self._journal.waiting
            or any(self._moved.counts)
        ):
            return
        with self.db.together():
            self._write()
        failpoint("commit.flush")

    def _write(self) -> None:
        self._journal.write()
        moved = self._differences()
        self.queues.move(moved)
        if not self.locks.are_shared:
            self.queues.settle()
        self._insert_new()
        self.save_short_ways()
        self._write_lists()
        self._update_touched()
        self._extras.save_counts(moved.counts, moved.closed)
        self._extras.save_waits(moved.waits)
        self.dependencies.save()
        self._extras.save()

    def _write_lists(self) -> None:
        for root_id in self._relisted:
            listed = self.cancel_lists.get(root_id)
            text = json.dumps({str(i): mode for i, mode in listed.items()}) if listed else None
            self.get(root_id).cancelling = text
        self._relisted.clear()

    def settle(self) -> None:
        """Right before the commit: move the rows that every writer's commit moves."""
        with self.db.together():
            self.queues.settle()

    def remember(self) -> None:
        """After the commit: what is of use to the next transactions."""
        super().remember()
        self._trail.keep()

    def release(self) -> None:
        """Let go of everything, so that nothing of a transaction waits for the garbage collector: its parts know it."""
        for part in ("find", "_claims", "_journal"):
            delattr(self, part)
        self.forget()
