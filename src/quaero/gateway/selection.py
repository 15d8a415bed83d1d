"""Which entries of a stretch belong to a scope, and how a reader of that scope sees them."""

from collections.abc import Iterable

from quaero.domain.entries import Entry
from quaero.domain.wire import WireEntry, wire_entry
from quaero.gateway.kin import Kin
from quaero.gateway.scope import Scope
from quaero.storage.port import Stretch

BATCH = 500  # entries looked at together


class Selection:
    """The entries of one scope."""

    def __init__(self, scope: Scope, kin: Kin) -> None:
        self.scope = scope
        self._kin = kin

    def batches(self, stretches: Iterable[Stretch]) -> Iterable[list[Entry]]:
        """What may belong to the scope, some at a time."""
        where = self.scope.where
        batch: list[Entry] = []
        for stretch in stretches:
            for entry in stretch.entries(level=where.level, step_id=where.step_id):
                batch.append(entry)
                if len(batch) >= BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch

    async def own(self, batch: list[Entry]) -> list[Entry]:
        """What does belong to it. Its entries can be shown afterwards."""
        own = await self._below(batch)
        changed = [e.job_id for e in own if e.fields and "status" in e.fields and e.job_id != self.scope.job_id]
        if changed:
            await self._kin.learn(changed)
        return own

    async def _below(self, batch: list[Entry]) -> list[Entry]:
        job_id = self.scope.where.job_id
        if job_id is None:
            return batch
        if not self.scope.where.below:
            return [entry for entry in batch if entry.job_id == job_id]
        if self.scope.where.children is not None:
            return await self._of_children(batch, job_id, *self.scope.where.children)
        await self._kin.learn({entry.job_id for entry in batch if entry.job_id > job_id}, up_to=job_id)
        return [entry for entry in batch if self._kin.is_below(entry.job_id, job_id)]

    async def _of_children(self, batch: list[Entry], job_id: int, first: int, last: int) -> list[Entry]:
        near = [entry for entry in batch if entry.job_id >= first]  # what is below a child has an id above its own
        await self._kin.learn({entry.job_id for entry in near}, up_to=job_id)
        above = ((entry, self._kin.child_above(entry.job_id, job_id)) for entry in near)
        return [entry for entry, child in above if child is not None and first <= child <= last]

    def shown(self, entry: Entry) -> WireEntry:
        """An entry as readers of the scope see it: a child's change of status tells its parent's counts there."""
        is_child = entry.job_id != entry.step_id and self._kin.parent(entry.job_id) == self.scope.job_id
        return wire_entry(entry, self.scope.names, in_parent=is_child)
