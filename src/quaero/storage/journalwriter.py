"""Numbers and stores what one transaction appends to journals.

An entry gets its number when it is appended, from the root's row, which this transaction holds: so a tree's numbers
are dense, follow the order of commits, and a rollback leaves no hole. Blocks are stored at the flush.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from quaero.domain.entries import Level, Originator
from quaero.domain.facts import Lines
from quaero.domain.job import Job
from quaero.storage.journal import LINES, MAX_BLOCK, Group, pack
from quaero.storage.port import Note, Siblings
from quaero.storage.shorthand import MOVED, NOTE, RAN_THROUGH, singles

if TYPE_CHECKING:
    from quaero.storage.ledger import SqlLedger

_NOTE_SIZE = 64  # bytes a note takes before compression, roughly
_STEP, _SYSTEM = int(Originator.STEP), int(Originator.SYSTEM)
_INFO = 1 << Level.INFO


class _Run:
    """The entries one tree gets in this transaction, up to the size of a block."""

    __slots__ = ("first", "levels", "root", "segments", "t0", "t1")

    def __init__(self, root: Job, now: int) -> None:
        self.root = root
        self.first = root.journal_head + 1
        self.segments: list[Any] = []
        self.levels = 0
        self.t0 = self.t1 = now


class JournalWriter:
    """Takes the entries of one transaction; `write` stores what was taken since the last time."""

    def __init__(self, ledger: "SqlLedger") -> None:
        self._ledger = ledger
        self._now = ledger.now
        self._runs: dict[int, _Run] = {}
        self._singles: list[int] = []  # trees of one job whose whole journal this transaction writes
        self._size = 0
        self.trees: set[int] = set()  # in which anything was recorded

    def note(self, job: Job, note: Note) -> None:
        """Append a note; a change of status carries its parent's tally as of now."""
        run = self._runs.get(job.root_id) or self._open(job.root_id)
        step_id = job.step_id
        holder = job if step_id is None or step_id == job.id else self._ledger.get(step_id)
        holder.lines = line = holder.lines + 1
        seq = run.root.journal_head = run.root.journal_head + 1
        if not job.first_seq:
            job.first_seq = seq
        job.last_seq = seq
        status = note.status
        tally = self._ledger.above(job)[0][0][:6] if status >= 0 and job.parent_id is not None else None
        run.levels |= 1 << note.level
        origin = _STEP if job.is_step else _SYSTEM
        run.segments.append(
            (
                NOTE,
                job.id,
                step_id,
                line,
                self._now,
                note.level,
                origin,
                note.message,
                status,
                note.count,
                tally,
                note.fields,
            )
        )
        self._kept(job, holder, _NOTE_SIZE)

    def lines(self, job: Job, lines: Lines) -> None:
        """Append captured lines, still encoded."""
        run = self._runs.get(job.root_id) or self._open(job.root_id)
        step_id = job.step_id
        holder = job if step_id is None or step_id == job.id else self._ledger.get(step_id)
        line = holder.lines + 1
        holder.lines += lines.count
        seq = run.root.journal_head + 1
        run.root.journal_head += lines.count
        job.first_seq = job.first_seq or seq
        job.last_seq = run.root.journal_head
        run.levels |= lines.levels
        run.t0 = min(run.t0, lines.first_at)
        run.segments.append((LINES, job.id, step_id, line, lines.count, lines.originator, lines.body))
        self._kept(job, holder, len(lines.body))

    def ran_through(self, jobs: Sequence[Job], level: Level) -> None:
        """Append the start and the end of leaves without any entry yet: roots, or children of one parent and step."""
        if jobs[0].parent_id is None:
            for job in jobs:
                job.first_seq = 1
                job.last_seq = job.lines = job.journal_head = 2
                self._singles.append(job.id)
        else:
            seq = self._moved(jobs[0], [job.id for job in jobs], level, RAN_THROUGH, "")
            lines = 2 if jobs[0].step_id is None else 0
            for job in jobs:
                job.first_seq = seq
                job.last_seq = seq + 1
                job.lines = lines
                seq += 2
        self._grown(2 * len(jobs))

    def ended(self, siblings: Siblings, level: Level, status: int, message: str) -> int:
        """Append the end of siblings that had not begun; the number of the first one's entry."""
        seq = self._moved(siblings, siblings.ids, level, (status,), message)
        self._grown(len(siblings.ids))
        return seq

    def _moved(self, one: Job | Siblings, ids: list[int], level: Level, statuses: tuple[int, ...], message: str) -> int:
        """One segment for all of them: what their entries say follows from their order and the tally before."""
        n = len(ids) * len(statuses)
        run = self._runs.get(one.root_id) or self._open(one.root_id)
        seq = run.root.journal_head + 1
        run.root.journal_head += n
        line = 1
        if one.step_id is not None:
            step = self._ledger.get(one.step_id)
            line = step.lines + 1
            step.lines += n
            self._ledger.touch(step)
        tally = self._ledger.above(one)[0][0][:6]
        run.levels |= 1 << level
        run.segments.append((MOVED, one.step_id, line, self._now, level, tally, statuses, message, ids))
        return seq

    def _grown(self, notes: int) -> None:
        self._size += notes * _NOTE_SIZE
        if self._size >= MAX_BLOCK:
            self.write()

    def _kept(self, job: Job, holder: Job, size: int) -> None:
        touch = self._ledger.touch
        touch(job)
        if holder is not job:
            touch(holder)
        self._size += size
        if self._size >= MAX_BLOCK:
            self.write()

    def _open(self, root_id: int) -> _Run:
        root = self._ledger.get(root_id)
        self._ledger.touch(root)
        run = self._runs[root_id] = _Run(root, self._now)
        return run

    @property
    def waiting(self) -> bool:
        """Whether anything is to be stored."""
        return bool(self._runs or self._singles)

    def write(self) -> None:
        """Store one block with everything taken so far, and a run for each tree in it."""
        if not self.waiting:
            return
        runs, alone, now = self._runs.values(), self._singles, self._now
        groups: list[Group] = [(run.root.id, run.first, run.segments) for run in runs]
        if alone:
            groups.append(singles(alone, now))
        ledger = self._ledger
        db = ledger.db
        refs = len(runs) + len(alone)
        ((block_id,),) = db.rows("insert into block(refs, data) values(?, ?) returning id", (refs, pack(groups)))
        rows = [(root_id, 1, 2, block_id, now, now, _INFO) for root_id in alone]
        rows += [(r.root.id, r.first, r.root.journal_head, block_id, r.t0, r.t1, r.levels) for r in runs]
        db.run_many("insert into run(root_id, first, last, block_id, t0, t1, levels) values(?, ?, ?, ?, ?, ?, ?)", rows)
        self.trees.update(alone, (run.root.id for run in runs))
        for run in runs:
            ledger.scattered.wrote(run.root.id, run.root.journal_head - run.first + 1)
        self._runs = {}
        self._singles = []
        self._size = 0
