"""Numbers and stores what one transaction appends to journals.

Entries are collected without numbers and get them at the flush, when the root's row is held: that is what makes a
tree's numbers dense and never visible out of order.
"""

from typing import TYPE_CHECKING, Any

from quaero.domain.entries import Level, Originator
from quaero.domain.facts import Lines
from quaero.domain.job import Job
from quaero.storage.journal import LINES, MAX_BLOCK, Group, note_segment, pack
from quaero.storage.port import Note

if TYPE_CHECKING:
    from quaero.storage.ledger import SqlLedger

Run = tuple[int, int, int, int, int, int]  # root, first, last, t0, t1, levels
_NOTE_SIZE = 64  # bytes a note takes before compression, roughly


class JournalWriter:
    """Collects the entries of one transaction by tree; `write` numbers and stores them."""

    def __init__(self, ledger: "SqlLedger") -> None:
        self._ledger = ledger
        self._pending: dict[int, list[tuple[Job, Note | Lines, list[int] | None]]] = {}
        self._groups: list[Group] = []
        self._runs: list[Run] = []
        self._size = 0

    def note(self, job: Job, note: Note) -> None:
        """Append a note; a change of status carries its parent's tally as of now."""
        tally = None
        if note.status >= 0 and job.parent_id is not None:
            tally = self._ledger.above(job)[0][0][:6]
        self._pending.setdefault(job.root_id, []).append((job, note, tally))

    def lines(self, job: Job, lines: Lines) -> None:
        """Append captured lines, still encoded."""
        self._pending.setdefault(job.root_id, []).append((job, lines, None))

    @property
    def waiting(self) -> bool:
        """Whether anything is collected."""
        return bool(self._pending)

    def write(self) -> None:
        """Number everything, move heads and line counters, store blocks and runs."""
        if not self._pending:
            return
        self._ledger.load(self._pending)
        for root_id, items in self._pending.items():
            self._write_tree(self._ledger.get(root_id), items)
        self._store()
        self._pending.clear()

    def _write_tree(self, root: Job, items: list[tuple[Job, Note | Lines, list[int] | None]]) -> None:
        ledger, now = self._ledger, self._ledger.now
        seq = first = root.journal_head + 1
        t0 = t1 = now
        levels = 0
        segments: list[Any] = []
        for job, item, tally in items:
            holder = job if job.step_id is None or job.step_id == job.id else ledger.get(job.step_id)
            line = holder.lines + 1
            if isinstance(item, Lines):
                n = item.count
                levels |= item.levels
                t0 = min(t0, item.first_at)
                segments.append((LINES, job.id, job.step_id, line, n, item.originator, item.body))
                self._size += len(item.body)
            else:
                n = 1
                levels |= 1 << item.level
                origin = Originator.STEP if job.is_step else Originator.SYSTEM
                segments.append(
                    note_segment(
                        job.id,
                        job.step_id,
                        line,
                        now,
                        item.level,
                        item.message,
                        item.status,
                        item.count,
                        tally,
                        item.fields,
                        origin,
                    )
                )
                self._size += _NOTE_SIZE
            holder.lines += n
            if holder is not job:
                ledger.touch(holder)
            if not job.first_seq:
                job.first_seq = seq
            seq += n
            job.last_seq = seq - 1
            ledger.touch(job)
            if self._size >= MAX_BLOCK:
                self._close_group(root.id, first, seq, segments, t0, t1, levels)
                self._store()
                first, segments, levels = seq, [], 0
        if segments:
            self._close_group(root.id, first, seq, segments, t0, t1, levels)
        root.journal_head = seq - 1
        ledger.touch(root)

    def _close_group(
        self, root_id: int, first: int, seq: int, segments: list[Any], t0: int, t1: int, levels: int
    ) -> None:
        self._groups.append((root_id, first, segments))
        self._runs.append((root_id, first, seq - 1, t0, t1, levels))

    def _store(self) -> None:
        if not self._groups:
            return
        db = self._ledger.db
        ((block_id,),) = db.rows(
            "insert into block(refs, data) values(?, ?) returning id", (len(self._groups), pack(self._groups))
        )
        db.run_many(
            "insert into run(root_id, first, last, block_id, t0, t1, levels) values(?, ?, ?, ?, ?, ?, ?)",
            [(root, first, last, block_id, t0, t1, levels) for root, first, last, t0, t1, levels in self._runs],
        )
        self._groups, self._runs, self._size = [], [], 0


def status_level(job: Job, child_level: Level) -> Level:
    """How loud a change of status is: roots and steps at info, what is below them as configured."""
    return Level.INFO if job.is_step or job.is_root else child_level
