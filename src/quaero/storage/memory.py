"""What a process remembers of the leaves it has reserved: it will load them again a moment later.

While nobody else has written to the store, what is remembered is what is stored. Once somebody has, every record is in
doubt until its version was compared: every save of anybody moves the version. A transaction that failed remembers
nothing of what it loaded.
"""

from collections.abc import Iterable

from quaero.domain.job import Job

MOST = 50_000  # jobs


class Memory:
    """Jobs by id, of one process, between its transactions."""

    def __init__(self) -> None:
        self._sure: dict[int, Job] = {}
        self._doubtful: dict[int, Job] = {}

    def doubt(self) -> None:
        """Somebody else has written, or may have."""
        if self._sure:
            self._doubtful.update(self._sure)
            self._sure.clear()

    def take_sure(self, ids: Iterable[int]) -> dict[int, Job]:
        """Of these jobs the ones that are stored as they are remembered; they are not remembered any more."""
        sure = self._sure
        return {i: sure.pop(i) for i in ids if i in sure} if sure else {}

    def take_doubtful(self, ids: Iterable[int]) -> dict[int, Job]:
        """Of these jobs the ones that may have been changed since; they are not remembered any more."""
        doubtful = self._doubtful
        return {i: doubtful.pop(i) for i in ids if i in doubtful} if doubtful else {}

    def forget(self, job_id: int) -> None:
        """This job is about to be changed in another way."""
        self._sure.pop(job_id, None)
        self._doubtful.pop(job_id, None)

    def keep(self, jobs: Iterable[Job]) -> None:
        """Remember these as they have just been stored, if there are not too many already."""
        found = {job.id: job for job in jobs}
        if len(self._sure) + len(self._doubtful) + len(found) <= MOST:
            self._sure.update(found)
        else:  # those that never came back give way
            self._doubtful.clear()
