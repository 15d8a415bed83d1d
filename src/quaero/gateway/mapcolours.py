"""What colours the children of a map when it is not their status, read once for all who watch.

A change of status says which children to look at. What was read for a change holds until the child's next one, so
viewers that are told of the same change a moment later read nothing. How long a running child has been at it grows
without any change: that is asked for once a second for each map somebody watches.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

from quaero.clock import Clock
from quaero.domain.status import FAILED, PENDING
from quaero.gateway.remembered import Remembered
from quaero.storage.port import Change, ErrorGroup, Store

V = TypeVar("V")
GROW_SECONDS = 1.0
MOST = 200_000  # children remembered
UNKNOWN = 1 << 62  # the position of what was learned otherwise than from the journal: later than any


class _Memo(Generic[V]):
    """Values of children, each with the position up to which it is known to hold."""

    def __init__(self, read: Callable[[Collection[int]], Awaitable[Mapping[int, V]]]) -> None:
        self._read = read
        self._known: dict[int, tuple[int, V | None]] = {}
        self._reading = asyncio.Lock()

    async def of(self, moved: Mapping[int, int]) -> dict[int, V | None]:
        """The values of children (id: position of the newest change); None for those that have none."""
        async with self._reading:
            known = self._known
            if len(known) > MOST:
                known.clear()
            missing = [job_id for job_id, seq in moved.items() if job_id not in known or known[job_id][0] < seq]
            if missing:
                found = await self._read(missing)
                known.update((job_id, (moved[job_id], found.get(job_id))) for job_id in missing)
            values = {job_id: known[job_id][1] for job_id in moved}
            for job_id, seq in moved.items():
                if seq == UNKNOWN:
                    del known[job_id]
            return values


class Colours:
    """The colours of one gateway's maps."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._durations = _Memo(store.child_durations)
        self._failures = _Memo(store.fingerprints)
        self._growing = Remembered[int, tuple[int, dict[int, int]]](clock, GROW_SECONDS)
        self._groups = Remembered[int, list[ErrorGroup]](clock, GROW_SECONDS)

    async def durations(self, moved: Mapping[int, Change]) -> dict[int, int]:
        """Codes of a map by duration; `moved` has the newest change of each child."""
        begun = {job_id: change.seq for job_id, change in moved.items() if change.status != PENDING}
        codes = await self._durations.of(begun) if begun else {}
        return {job_id: codes.get(job_id) or 0 for job_id in moved}

    async def growing(self, parent_id: int) -> tuple[int, dict[int, int]]:
        """Codes of children whose time goes on, and the position at which they were so."""
        return await self._growing.get(parent_id, lambda: self._store.growing(parent_id))

    async def failures(self, moved: Mapping[int, Change]) -> dict[int, str | None]:
        """What children failed with; None for those that did not."""
        failed = {job_id: change.seq for job_id, change in moved.items() if change.status == FAILED}
        found = await self._failures.of(failed) if failed else {}
        return {job_id: found.get(job_id) for job_id in moved}

    async def groups(self, root_id: int, fingerprints: Collection[str]) -> list[ErrorGroup]:
        """These groups of what failed in a tree, as far as there are any."""
        found = await self._groups.get(root_id, lambda: self._store.errors(root_id))
        if not {group.fingerprint for group in found}.issuperset(fingerprints):
            found = await self._store.errors(root_id)  # one of them is younger than what is remembered
        return [group for group in found if group.fingerprint in fingerprints]
