"""Some children of a job, neighbours in order, with all that is below them: a set of jobs that is never held whole.

A selection on a map may be a million children. Whether a job belongs to it follows from its ancestors, which are
learned a block of entries at a time and only for jobs that have entries there.
"""

from collections.abc import Iterable

from quaero.domain.kinship import child_above
from quaero.storage.connection import Connection

MOST = 200_000  # parents remembered within one read
NARROW = 100_000  # ids; the entries of so few are looked up rather than looked for


class Offspring:
    """The children of `parent_id` from one id to another, and what is below them (a `Container` of ids)."""

    def __init__(self, db: Connection, parent_id: int, children: tuple[int, int]) -> None:
        self._db = db
        self._parent_id = parent_id
        self._first, self._last = children
        self._parents: dict[int, int | None] = {}

    def learn(self, ids: Iterable[int]) -> None:
        """Be able to tell of these jobs."""
        if len(self._parents) > MOST:
            self._parents.clear()
        wanted = {job_id for job_id in ids if job_id >= self._first}.difference(self._parents)
        while wanted:
            sql = f"select id, parent_id from job where {self._db.member('id')}"
            found: dict[int, int | None] = dict(self._db.rows(sql, (self._db.array(sorted(wanted)),)))
            self._parents.update((job_id, found.get(job_id)) for job_id in wanted)
            above = {parent for parent in found.values() if parent is not None and parent >= self._first}
            wanted = above.difference(self._parents)

    def __contains__(self, job_id: object) -> bool:
        if not isinstance(job_id, int) or job_id < self._first:
            return False
        child = child_above(self._parents, job_id, self._parent_id)
        return child is not None and self._first <= child <= self._last

    def edges(self, lowest: int, highest: int) -> tuple[int, int]:
        """Between which numbers their entries lie, as far as that is cheap to say.

        A child's first entry comes before all of what is below it, and its end after it.
        """
        if self._last - self._first >= NARROW:
            return lowest, highest
        ((first, last, least),) = self._db.rows(
            "select min(nullif(first_seq, 0)), max(last_seq), min(status) from job"
            " where parent_id = ? and id between ? and ?",
            (self._parent_id, self._first, self._last),
        )
        if first is None:  # no such children, or none has an entry
            return highest, lowest - 1
        return first, last if least >= 3 else highest
