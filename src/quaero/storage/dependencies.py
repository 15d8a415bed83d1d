"""Who waits for whom, as one transaction learns it.

What a job waits for is written when the job is made, and who waits for it while its row is held: so of a job that is
held nothing is asked twice, and of many of them in one question.
"""

from collections.abc import Iterable

from quaero.storage.connection import Connection


class Dependencies:
    """New ones are stored when somebody asks, or at the flush."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._new: list[tuple[int, int]] = []
        self._waits_for: dict[int, list[int]] = {}
        self._dependents: dict[int, list[int]] = {}

    @property
    def waiting(self) -> bool:
        """Whether anything is to be stored."""
        return bool(self._new)

    def add(self, job_id: int, on: Iterable[int]) -> None:
        """Record that a job waits for others."""
        self._new.extend((other, job_id) for other in on)

    def save(self) -> None:
        """Store what was recorded."""
        if self._new:
            self._db.run_many("insert into dependency(waits_for, job_id) values(?, ?)", self._new)
            self._new, self._waits_for, self._dependents = [], {}, {}

    def learn(self, ids: Iterable[int]) -> None:
        """Know of these jobs what they wait for."""
        self.save()
        wanted = sorted(set(ids).difference(self._waits_for))
        if not wanted:
            return
        self._waits_for.update((job_id, []) for job_id in wanted)
        sql = f"select job_id, waits_for from dependency where {self._db.member('job_id')}"
        for job_id, other in self._db.rows(sql, (self._db.array(wanted),)):
            self._waits_for[job_id].append(other)

    def waits_for(self, job_id: int) -> list[int]:
        """Ids of the siblings a job waits for."""
        self.learn((job_id,))
        return self._waits_for[job_id]

    def dependents(self, job_id: int) -> list[int]:
        """Ids of the siblings that wait for a job."""
        self.save()
        if job_id not in self._dependents:
            rows = self._db.rows("select job_id from dependency where waits_for = ?", (job_id,))
            self._dependents[job_id] = [row[0] for row in rows]
        return self._dependents[job_id]
