"""Maps of children that were asked for lately.

A map of a million children reads a million rows, so it is kept while its job did not move. While it moves, a map is
given out again for a while: it is still the truth at its cursor, from which a stream goes on.
"""

from dataclasses import dataclass, field
from typing import Literal

from quaero.domain.errors import NotFound
from quaero.domain.status import JobStatus
from quaero.gateway.lately import Lately
from quaero.storage.port import ChildMap, Store

By = Literal["status", "duration", "error"]


@dataclass(slots=True)
class Maps:
    """The maps of one gateway that were asked for lately."""

    _lately: Lately[ChildMap | None] = field(default_factory=Lately)

    async def get(self, store: Store, job_id: int, by: By) -> ChildMap:
        """The map as it stands, or stood a moment ago. Raises NotFound."""

        async def holds(found: ChildMap | None) -> bool:
            """Whether nothing moved since it was made."""
            if found is None or (by == "duration" and found.parent.tally[JobStatus.RUNNING]):
                return False
            parent = await store.job(job_id)
            return parent is not None and parent.version == found.parent.version

        found = await self._lately.get((job_id, by), lambda: store.child_map(job_id, by), holds)
        if found is None:
            raise NotFound(f"there is no job {job_id}")
        return found
