"""One filter class of one watched tree: its newest entries encoded once, its status, and who waits for more.

Viewers of equal scopes share a view. It keeps a bounded stretch of cuts that ends at the tail's head; whoever is
behind it reads the store for itself until it has caught up.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING

from quaero.domain.entries import Entry
from quaero.domain.wire import wire_entry
from quaero.gateway.answers import encode
from quaero.gateway.kin import Kin
from quaero.gateway.parts import Cut, Part, cuts
from quaero.gateway.scope import Scope
from quaero.gateway.told import told_status
from quaero.storage.port import Standing, Stretch

if TYPE_CHECKING:
    from quaero.gateway.following import Following

HOT_BYTES = 4 << 20  # of cuts one view keeps at most


class View:
    """See the module. `start` is the position its cuts begin after; they end at `head`."""

    def __init__(self, scope: Scope, kin: Kin, head: int, tree: bytes) -> None:
        self.scope = scope
        self.tree = tree  # how tokens of this tree begin
        self.start = self.head = head
        self.cuts: list[Cut] = []
        self.followings: set[Following] = set()
        self.status: Part | None = None
        self.status_no = 0
        self.log_head = 0
        self.is_terminal = False
        self.is_gone = False
        self._kin = kin
        self._size = 0
        self._told = b""

    def next_cut(self, at: int) -> Cut | None:
        """The cut that holds what comes after a position within (start, head)."""
        n = bisect_right(self.cuts, at, key=lambda cut: cut.to)
        return self.cuts[n] if n < len(self.cuts) else None

    def start_of_last(self, n: int) -> int | None:
        """The position before the last `n` entries, None if the view does not reach back so far."""
        for cut in reversed(self.cuts):
            if n <= len(cut.seqs):
                return cut.seqs[-n] - 1 if n else self.head
            n -= len(cut.seqs)
        return self.head if not n else None

    async def encode(self, stretches: Iterable[Stretch], prev: int, to: int) -> list[Cut]:
        """The matching entries of some stretches, as cuts."""
        where = self.scope.where
        found = [e for s in stretches for e in s.entries(level=where.level, step_id=where.step_id)]
        own = await self._own(found)
        changed = [e.job_id for e in own if e.fields and "status" in e.fields and e.job_id != self.scope.job_id]
        if changed:
            await self._kin.learn(changed)
        return cuts(prev, to, [entry.seq for entry in own], [self._entry(entry) for entry in own])

    async def _own(self, entries: list[Entry]) -> list[Entry]:
        job_id = self.scope.where.job_id
        if job_id is None:
            return entries
        if not self.scope.where.below:
            return [entry for entry in entries if entry.job_id == job_id]
        await self._kin.learn({entry.job_id for entry in entries if entry.job_id > job_id}, up_to=job_id)
        return [entry for entry in entries if self._kin.is_below(entry.job_id, job_id)]

    def _entry(self, entry: Entry) -> bytes:
        is_child = entry.job_id != entry.step_id and self._kin.parent(entry.job_id) == self.scope.job_id
        return encode(wire_entry(entry, self.scope.names, in_parent=is_child))

    def extend(self, more: list[Cut]) -> None:
        """Take what came after `head`; the oldest is let go beyond a bound."""
        self.cuts += more
        self.head = more[-1].to
        self._size += sum(cut.size for cut in more)
        gone = 0
        while self._size > HOT_BYTES and gone < len(self.cuts) - 1:
            self._size -= self.cuts[gone].size
            self.start = self.cuts[gone].to
            gone += 1
        del self.cuts[:gone]

    def restart(self, head: int) -> None:
        """Forget everything: what was kept does not join what comes."""
        self.cuts, self._size = [], 0
        self.start = self.head = head

    def tell(self, standing: Standing | None) -> None:
        """Take the state of its job as it is now; None: the job is gone."""
        if standing is None:
            self.is_gone = True
            return
        was_terminal = self.is_terminal
        self.is_terminal = standing.job.is_terminal
        told = told_status(standing, reopened=was_terminal and not self.is_terminal)
        data = encode(told)
        if data != self._told:
            self._told = data
            self.log_head = told.log_head
            self.status = Part("status", data)
            self.status_no += 1
