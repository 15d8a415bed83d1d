"""Maps of children that were asked for lately.

A map of a million children reads a million rows, so it is kept while its job did not move. While it moves, a
map is given out again for a few times as long as its making took: it is still the truth at its cursor, from which a
stream goes on. However many ask at once, it is made once.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Literal

from quaero.domain.errors import NotFound
from quaero.domain.status import JobStatus
from quaero.storage.port import ChildMap, Store

KEPT = 16  # maps
WORTH = 4.0  # times as long as it took to make
By = Literal["status", "duration", "error"]


@dataclass(slots=True)
class _Kept:
    making: "asyncio.Task[ChildMap | None]"
    made_at: float = 0.0
    took: float = 0.0


@dataclass(slots=True)
class Maps:
    """The maps of one gateway that were asked for lately."""

    _kept: dict[tuple[int, str], _Kept] = field(default_factory=dict)

    async def get(self, store: Store, job_id: int, by: By) -> ChildMap:
        """The map as it stands, or stood a moment ago. Raises NotFound."""
        key = (job_id, by)
        kept = self._kept.get(key)
        if kept is None or (kept.making.done() and not await self._holds(store, kept, by)):
            kept = self._kept[key] = _Kept(asyncio.ensure_future(self._make(store, key)))
            while len(self._kept) > KEPT:
                self._kept.pop(next(iter(self._kept)))
        found = await asyncio.shield(kept.making)
        if found is None:
            raise NotFound(f"there is no job {job_id}")
        return found

    async def _make(self, store: Store, key: tuple[int, str]) -> ChildMap | None:
        began = time.monotonic()
        try:
            found = await store.child_map(*key)
        except BaseException:
            self._kept.pop(key, None)
            raise
        kept = self._kept.get(key)
        if kept is not None:
            kept.made_at = time.monotonic()
            kept.took = kept.made_at - began
        return found

    async def _holds(self, store: Store, kept: _Kept, by: By) -> bool:
        """Whether a finished map is good enough to be given out again."""
        found = kept.making.result()
        if found is None:
            return False
        if time.monotonic() - kept.made_at < kept.took * WORTH:
            return True
        if by == "duration" and found.parent.tally[JobStatus.RUNNING]:
            return False
        parent = await store.job(found.parent.id)
        return parent is not None and parent.version == found.parent.version
