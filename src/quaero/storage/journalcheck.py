"""The part of the doctor that reads journals: dense numbers, whole blocks, and a history that could have happened."""

from collections.abc import Iterator

from quaero.domain.entries import Entry, Originator
from quaero.domain.status import BY_WORD, JobStatus, may_move
from quaero.storage.connection import Connection
from quaero.storage.journal import unpack
from quaero.storage.segments import Segments

Problem = tuple[str, str, str]
RUNS_AT_ONCE = 200


def check_journals(db: Connection) -> Iterator[Problem]:
    """(invariant, subject, problem) of everything wrong with any tree's journal."""
    after = -1
    while roots := db.rows(
        "select id, journal_head, journal_oldest from job where parent_id is null and id > ? order by id limit 500",
        (after,),
    ):
        for root_id, head, oldest in roots:
            yield from _check_tree(db, root_id, head, oldest)
        after = roots[-1][0]


def _check_tree(db: Connection, root_id: int, head: int, oldest: int) -> Iterator[Problem]:
    expected = oldest
    history = _History(whole=oldest == 1)
    for first, last, block_id in db.rows(
        "select first, last, block_id from run where root_id = ? order by first", (root_id,)
    ):
        if first != expected:
            yield ("I7", f"tree {root_id}", f"entries {expected} to {first - 1} are missing or doubled")
        found = _entries(db, root_id, first, block_id)
        if len(found) != last - first + 1:
            yield ("I7", f"tree {root_id}", f"block {block_id} holds {len(found)} entries of {first} to {last}")
        for entry in found:
            yield from history.follow(entry)
        expected = last + 1
    if expected != head + 1:
        yield ("I7", f"tree {root_id}", f"the journal ends at {expected - 1}, its head is {head}")


def _entries(db: Connection, root_id: int, first: int, block_id: int) -> list[Entry]:
    blocks = db.rows("select data from block where id = ?", (block_id,))
    if not blocks:
        return []
    groups = [group for group in unpack(blocks[0][0], root_id) if group[1] == first]
    return [entry for group in groups for entry in Segments(*group).entries()]


class _History:
    """What a tree's entries say happened to each of its jobs."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._status: dict[int, JobStatus] = {}
        self._lines: dict[int, int] = {}

    def follow(self, entry: Entry) -> Iterator[Problem]:
        """Take in the next entry."""
        subject = f"job {entry.job_id}"
        holder = entry.step_id if entry.step_id is not None else entry.job_id
        if self._whole:
            expected = self._lines.get(holder, 0) + 1
            if entry.line_number != expected:
                yield (
                    "I7",
                    subject,
                    f"line {entry.line_number} follows line {expected - 1} in the count of job {holder}",
                )
        self._lines[holder] = entry.line_number
        before = self._status.get(entry.job_id)
        word = (entry.fields or {}).get("status") if entry.originator != Originator.WORKER else None
        if isinstance(word, str) and word in BY_WORD:
            yield from self._moved(entry, before, BY_WORD[word])
        elif (
            entry.originator == Originator.WORKER
            and before is not None
            and (before.is_terminal or before == JobStatus.WAITING)
        ):
            yield ("I8", subject, f"wrote entry {entry.seq} after it was {before.word}")

    def _moved(self, entry: Entry, before: JobStatus | None, after: JobStatus) -> Iterator[Problem]:
        """A change of status must be one the table of moves has: one end a round, one outcome a reservation."""
        self._status[entry.job_id] = after
        if before is None:
            if not self._whole:
                return
            before = JobStatus.PENDING
        if before.is_terminal and after.is_terminal:
            yield ("I2", f"job {entry.job_id}", f"was {before.word} and became {after.word} in the same round")
        elif not (may_move(before, after) or may_move(before, after, new_round=True)):
            yield ("I3", f"job {entry.job_id}", f"went from {before.word} to {after.word} with entry {entry.seq}")
