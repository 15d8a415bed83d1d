"""The unit of work of one transaction, over SQL.

    load ──> scripts change `Job`s in memory ──> flush: number the journal, save what was touched, fold the counters

Every difference that other rows must learn of (a lane's ready count, a limit's use, the global counters) is computed
at the flush from what was loaded and what is saved, so no script can forget one. A flush is a fixed number of
statements however many jobs moved.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from quaero.domain.entries import Level
from quaero.domain.events import Event
from quaero.domain.facts import Document, Limit, Lines
from quaero.domain.job import BRANCH, MOVING, NO_TALLIES, STATIC, Job
from quaero.domain.status import WORDS
from quaero.failpoints import failpoint
from quaero.storage.connection import Connection, Row
from quaero.storage.journalwriter import JournalWriter
from quaero.storage.lookup import SqlLookup
from quaero.storage.port import Note

LEAF = STATIC + MOVING
TALLIES = tuple(f"{scope}_{word}" for scope in "nb" for word in WORDS)
LEAF_SQL = ", ".join(LEAF)
BRANCH_SQL = ", ".join(BRANCH + TALLIES)
_NEWBORN = (*STATIC, "status", "ready", "run_at", "blocked_by")

_INSERT_LEAF = f"insert into job({', '.join(_NEWBORN)}) values({', '.join('?' * len(_NEWBORN))})"
_UPDATE_LEAF = f"update job set {', '.join(f'{c}=?' for c in MOVING)} where id=?"
_UPDATE_BRANCH = f"update job set {', '.join(f'{c}=?' for c in MOVING + BRANCH + TALLIES)} where id=?"
_newborn_values = attrgetter(*_NEWBORN)
_leaf_values = attrgetter(*MOVING, "id")
_moving_values = attrgetter(*MOVING, *BRANCH)
_before = attrgetter("status", "ready", "owner")


def step_limit_key(step_id: int) -> str:
    """The key of the limit that stands for a step's `limit`."""
    return f"step:{step_id}"


class SqlLedger:
    """Implements `storage.port.Ledger` over a `Connection`; `flush` is called once, right before the commit."""

    def __init__(self, db: Connection, *, now: int, writer: str, child_level: Level, rng: random.Random) -> None:
        self.db = db
        self.now = now
        self.rng = rng
        self.child_level = child_level
        self.find = SqlLookup(db, self)
        self._writer = writer
        self._jobs: dict[int, Job] = {}
        self._was: dict[int, tuple[int, int, int | None]] = {}
        self._new: dict[int, Job] = {}
        self._touched: dict[int, Job] = {}
        self._lanes: dict[tuple[Any, ...], int] = {}
        self._new_lanes: dict[int, tuple[Any, ...]] = {}
        self._served: set[int] = set()
        self._gone = [0] * 6
        self._limits: dict[str, int] = {}
        self._step_limits: dict[int, int | None] = {}
        self._kinds: dict[str, tuple[int, int] | None] = {}
        self._cancel_lists: dict[int, dict[int, str]] | None = None
        self._depends: list[tuple[int, int]] = []
        self._errors: dict[tuple[int, str], list[Any]] = {}
        self._documents: list[tuple[Job, Document]] = []
        self._deliveries: list[tuple[str, int, bytes]] = []
        self._subscribers: dict[str, list[str]] | None = None
        self._journal = JournalWriter(self)

    # --- loading

    def new_ids(self, n: int) -> int:
        """The first of `n` consecutive ids."""
        ((last,),) = self.db.rows(
            "update meta set value = cast(cast(value as integer) + ? as text) where key = 'last_id' returning value", (n,)
        )
        return int(last) - n + 1

    def load(self, ids: Iterable[int]) -> dict[int, Job]:
        """The jobs of these ids, identity-mapped; unknown ids are left out."""
        known = self._jobs
        wanted = set(ids)
        missing = wanted.difference(known)
        if missing:
            sql = f"select {LEAF_SQL} from job where {self.db.member('id')}"
            self.adopt(self.db.rows(sql, (self.db.array(missing),)))
        return {i: known[i] for i in wanted if i in known}

    def adopt(self, rows: list[Row]) -> list[Job]:
        """Jobs of rows of `LEAF_SQL`; what is already loaded keeps its changes."""
        jobs, branches = [], []
        known, was = self._jobs, self._was
        for row in rows:
            job = known.get(row[0])
            if job is None:
                job = Job(*row)
                known[job.id] = job
                was[job.id] = _before(job)
                if job.is_branch:
                    branches.append(job.id)
            jobs.append(job)
        if branches:
            self._load_branches(branches)
        return jobs

    def _load_branches(self, ids: list[int]) -> None:
        sql = f"select id, {BRANCH_SQL} from job where {self.db.member('id')}"
        width = len(BRANCH) + 1
        for row in self.db.rows(sql, (self.db.array(ids),)):
            job = self._jobs[row[0]]
            for name, value in zip(BRANCH, row[1:width], strict=True):
                setattr(job, name, value)
            job.tallies = list(row[width:])

    def get(self, job_id: int) -> Job:
        """One job that must exist."""
        job = self._jobs.get(job_id)
        return job if job is not None else self.load((job_id,))[job_id]

    def guarded(self, pairs: Iterable[tuple[int, int]], owner: int) -> dict[int, Job]:
        """The fence: only jobs that `owner` holds under exactly the epoch given."""
        epochs = dict(pairs)
        loaded = self.load(epochs)
        return {i: job for i, job in loaded.items() if job.owner == owner and job.epoch == epochs[i]}

    # --- changing

    def add(self, job: Job) -> None:
        """Keep a new job."""
        self._jobs[job.id] = self._new[job.id] = job
        self._was[job.id] = (-1, 0, None)

    def touch(self, job: Job) -> None:
        """Save this job at the flush; its version moves once per commit."""
        if job.id not in self._touched:
            self._touched[job.id] = job
            job.version += 1

    def note(self, job: Job, note: Note) -> None:
        """Append an entry to the job's journal."""
        self._journal.note(job, note)

    def lines(self, job: Job, lines: Lines) -> None:
        """Append captured lines to the job's journal."""
        self._journal.lines(job, lines)

    def lane(self, job: Job) -> int:
        """The lane this job queues in, made if new. A lane's id is the id of the first job that needed it."""
        key = (job.priority, job.kind, job.root_id, job.step_id, job.limit_id, job.step_limit_id)
        lane_id = self._lanes.get(key)
        if lane_id is None:
            lane_id = None if job.root_id in self._new else self._stored_lane(key)
            if lane_id is None:
                lane_id = job.id
                self._new_lanes[lane_id] = key
            self._lanes[key] = lane_id
        return lane_id

    def _stored_lane(self, key: tuple[Any, ...]) -> int | None:
        found = self.db.rows(
            "select id from lane where root_id = ? and priority = ? and kind = ? and coalesce(step_id, 0) = ?"
            " and coalesce(limit_id, 0) = ? and coalesce(step_limit_id, 0) = ?",
            (key[2], key[0], key[1], key[3] or 0, key[4] or 0, key[5] or 0),
        )
        return found[0][0] if found else None

    def serve(self, lane_id: int) -> None:
        """This lane had its turn."""
        self._served.add(lane_id)

    def limit_id(self, limit: Limit) -> int:
        """The id of a limit, made or updated to these bounds."""
        known = self._limits.get(limit.key)
        if known is None:
            ((known,),) = self.db.rows(
                "insert into limits(key, at_once, apart) values(?, ?, ?) on conflict(key) do update set"
                " at_once = excluded.at_once, apart = excluded.apart returning id",
                (limit.key, limit.at_once, limit.apart),
            )
            self._limits[limit.key] = known
        return int(known)

    def depend(self, job_id: int, on: Iterable[int]) -> None:
        """Record that a job waits for others."""
        self._depends.extend((other, job_id) for other in on)

    def limit_of_step(self, step_id: int) -> int | None:
        """The limit row of a step's `limit`, if it has one."""
        if step_id not in self._step_limits:
            found = self.db.rows("select id from limits where key = ?", (step_limit_key(step_id),))
            self._step_limits[step_id] = found[0][0] if found else None
        return self._step_limits[step_id]

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
            lists[root.id] = listed
        else:
            lists.pop(root.id, None)
        root.become_branch()
        root.cancelling = json.dumps({str(i): mode for i, mode in listed.items()}) if listed else None
        self.touch(root)

    def discount(self, job: Job) -> None:
        """Take a job that is being removed out of the global counts."""
        self._gone[job.status] += 1

    def count_error(self, job: Job, fingerprint: str, message: str, n: int) -> None:
        """Add `n` to a tree's error group."""
        group = self._errors.setdefault((job.root_id, fingerprint), [message, 0, []])
        group[1] += n
        if n > 0 and len(group[2]) < 5:
            group[2].append(job.id)

    def add_document(self, job: Job, document: Document) -> None:
        """Keep a document with a job."""
        self._documents.append((job, document))

    def tell(self, event: Event) -> None:
        """Hand an event to its subscribers, if it has any."""
        for name in self._subscribed().get(type(event).__name__, ()):
            self._deliveries.append((name, event.root_id, msgspec.json.encode(event)))

    def has_subscribers(self) -> bool:
        """Whether any event has a subscriber at all."""
        return bool(self._subscribed())

    def _subscribed(self) -> dict[str, list[str]]:
        if self._subscribers is None:
            self._subscribers = defaultdict(list)
            for name, event in self.db.rows("select name, event from subscriber"):
                self._subscribers[event].append(name)
        return self._subscribers

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """A statement of the small tables."""
        return self.db.run(sql, params)

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """A query of the small tables."""
        return self.db.rows(sql, params)

    # --- saving

    def flush(self) -> None:
        """Write everything so far. Roots go last: their rows carry the heads and cancel lists others wait for.

        Called before every commit, and before a lookup that must see what this transaction has changed.
        """
        if not (self._new or self._touched or self._small_work()):
            return
        self._journal.write()
        self._save_lanes_and_limits()
        self._insert_new()
        self._update_touched()
        self._save_small()
        failpoint("commit.flush")

    def _small_work(self) -> bool:
        return bool(any(self._gone) or self._served or self._depends or self._errors or self._documents or self._deliveries)

    def _insert_new(self) -> None:
        new = self._new
        if not new:
            return
        self.db.run_many(_INSERT_LEAF, map(_newborn_values, new.values()))
        for job_id, job in new.items():
            if job.version:
                self._touched[job_id] = job
        self._new = {}

    def _update_touched(self) -> None:
        leaves, branches = [], []
        for job in self._touched.values():
            (branches if job.is_branch else leaves).append(job)
        if leaves:
            self.db.run_many(_UPDATE_LEAF, map(_leaf_values, leaves))
        branches.sort(key=lambda job: -job.id)
        if branches:
            self.db.run_many(_UPDATE_BRANCH, [(*_moving_values(b), *(b.tallies or [0] * NO_TALLIES), b.id) for b in branches])
        self._touched = {}

    def _save_lanes_and_limits(self) -> None:
        lanes: dict[int, int] = defaultdict(int)
        uses: dict[int, int] = defaultdict(int)
        counts = [-n for n in self._gone]
        self._gone = [0] * 6
        closed = 0
        for jobs in (self._new, self._touched):
            for job_id, job in jobs.items():
                status, ready, owner = self._was[job_id]
                if job.ready != ready:
                    lanes[job.lane_id] += job.ready - ready
                if job.status != status:
                    counts[job.status] += 1
                    if status >= 0:
                        counts[status] -= 1
                    closed += job.is_terminal
                held = (job.owner is not None) - (owner is not None)
                if held and (job.limit_id or job.step_limit_id):
                    for limit in filter(None, (job.limit_id, job.step_limit_id)):
                        uses[limit] += held
                self._was[job_id] = (job.status, job.ready, job.owner)
        self._save_lanes(lanes)
        self._save_uses(uses)
        self._save_counts(counts, closed)

    def _save_lanes(self, lanes: dict[int, int]) -> None:
        new = self._new_lanes
        if new:
            self.db.run_many(
                "insert into lane(id, priority, kind, root_id, step_id, limit_id, step_limit_id, n_ready, turn)"
                " values(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(lane_id, *key, lanes.pop(lane_id, 0), self.now) for lane_id, key in new.items()],
            )
            self._new_lanes = {}
        moved = [(n, lane_id) for lane_id, n in lanes.items() if n]
        if moved:
            self.db.run_many("update lane set n_ready = n_ready + ? where id = ?", moved)
        if self._served:
            self.db.run_many("update lane set turn = ? where id = ?", [(self.now, i) for i in self._served])
            self._served = set()

    def _save_uses(self, uses: dict[int, int]) -> None:
        taken = [(n, max(n, 0), self.now, i) for i, n in uses.items() if n]
        if taken:
            self.db.run_many(
                "update limits set in_use = in_use + ?, next_at = case when apart > 0 and ? > 0 then ? + apart else next_at end"
                " where id = ?",
                taken,
            )

    def _save_counts(self, counts: list[int], closed: int) -> None:
        if any(counts):
            self.db.run(
                "insert into counter values(?, ?, ?, ?, ?, ?, ?) on conflict(writer) do update set"
                " pending = pending + excluded.pending, running = running + excluded.running,"
                " waiting = waiting + excluded.waiting, completed = completed + excluded.completed,"
                " failed = failed + excluded.failed, cancelled = cancelled + excluded.cancelled",
                (self._writer, *counts),
            )
        if closed:
            self.db.run(
                "insert into throughput values(?, ?) on conflict(second) do update set closed = closed + excluded.closed",
                (self.now // 1_000_000, closed),
            )

    def _save_small(self) -> None:
        if self._depends:
            self.db.run_many("insert into dependency values(?, ?)", self._depends)
        for (root_id, fingerprint), (message, n, examples) in self._errors.items():
            self._save_error_group(root_id, fingerprint, message, n, examples)
        for job, document in self._documents:
            self._save_document(job, document)
        if self._deliveries:
            self.db.run_many("insert into delivery(subscriber, root_id, event) values(?, ?, ?)", self._deliveries)
        self._depends, self._errors, self._documents, self._deliveries = [], {}, [], []

    def _save_error_group(self, root_id: int, fingerprint: str, message: str, n: int, examples: list[int]) -> None:
        self.db.run(
            "insert into error_group values(?, ?, ?, max(?, 0), ?, ?, ?) on conflict(root_id, fingerprint) do update set"
            " count = max(count + ?, 0), last_at = excluded.last_at,"
            " examples = case when error_group.examples = '[]' then excluded.examples else error_group.examples end",
            (root_id, fingerprint, message, n, self.now, self.now, msgspec.json.encode(examples).decode(), n),
        )

    def _save_document(self, job: Job, document: Document) -> None:
        fields = bytes(document.fields).decode()
        ((doc_id,),) = self.db.rows(
            "insert into document(job_id, root_id, url, title, text, fields, truncated, at) values(?, ?, ?, ?, ?, ?, ?, ?)"
            " returning id",
            (job.id, job.root_id, document.url, document.title, document.text, fields, int(document.truncated), self.now),
        )
        self.db.run(
            "insert into document_text(rowid, title, text) values(?, ?, ?)", (doc_id, document.title, document.text)
        )
