"""Who is whose parent, remembered: a job's parent never changes, so a tree's viewers ask for it once."""

from collections.abc import Iterable

from quaero.domain.kinship import child_above
from quaero.storage.port import Store

MOST = 500_000  # jobs remembered


class Kin:
    """Parents of jobs, learned from the store when they are first needed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parents: dict[int, int | None] = {}
        self._learners = 0

    async def learn(self, ids: Iterable[int], *, up_to: int | None = None) -> None:
        """Know the parents of these jobs; with `up_to` also theirs, up to that job.

        They are known until the caller waits for something else.
        """
        if len(self._parents) > MOST and not self._learners:  # nobody else is half way through
            self._parents.clear()
        self._learners += 1
        try:
            await self._learn(set(ids), up_to)
        finally:
            self._learners -= 1

    async def _learn(self, wanted: set[int], up_to: int | None) -> None:
        while wanted:
            missing = wanted.difference(self._parents)
            if missing:
                found = await self._store.parents(sorted(missing))
                self._parents.update({job_id: found.get(job_id) for job_id in missing})
            if up_to is None:
                return
            above = {self._parents[job_id] for job_id in wanted}
            wanted = {job_id for job_id in above if job_id is not None and job_id > up_to}

    def parent(self, job_id: int) -> int | None:
        """The parent of a job that was learned."""
        return self._parents.get(job_id)

    def child_above(self, job_id: int, top_id: int) -> int | None:
        """The child of `top_id` that a learned job is, or is somewhere below."""
        return child_above(self._parents, job_id, top_id)

    def is_below(self, job_id: int, top_id: int) -> bool:
        """Whether a learned job is `top_id` or somewhere below it. Ids rise from parent to child."""
        at: int | None = job_id
        while at is not None and at > top_id:
            at = self._parents.get(at)
        return at == top_id
