"""Claims: who is next, by priority, round by tree within a priority, honouring every limit.

Ready work is found, not searched: kinds of which nothing is ready, and lanes in which nothing is, are not in the index
a claim walks. It looks at one lane for each job it takes, at most.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from quaero.domain.job import Job
from quaero.storage.connection import Connection
from quaero.storage.leaves import BIRTH_SQL
from quaero.storage.port import Want
from quaero.storage.sharing import Share, share_out

if TYPE_CHECKING:
    from quaero.storage.ledger import SqlLedger

_LANES = """
select l.id, l.priority, l.n_ready, l.limit_id, a.at_once - a.in_use, a.apart, l.step_limit_id, b.at_once - b.in_use,
 l.root_id, l.turn
from lane l left join limits a on a.id = l.limit_id left join limits b on b.id = l.step_limit_id
where {which}
 and (l.limit_id is null or (a.in_use < a.at_once and a.next_at <= ?))
 and (l.step_limit_id is null or b.in_use < b.at_once)
order by l.priority desc, l.turn limit ?"""
_PRIORITY, _TURN = 1, 9

May = Callable[[Job], bool]


class _Which(NamedTuple):
    """Which lanes: a condition and its parameters."""

    text: str
    params: tuple[Any, ...] = ()


_ANYTHING_READY = _Which("l.n_ready > 0")


class Claims:
    """Finds ready jobs and gives them to workers."""

    def __init__(self, db: Connection, ledger: "SqlLedger") -> None:
        self._db = db
        self._ledger = ledger

    def claim(self, want: Want, owner: int, may: May) -> list[Job]:
        """Reserve up to `want.n` jobs for a worker; of those that were next, the ones that `may` be.

        Only while something is being cancelled is anybody asked.
        """
        ledger = self._ledger
        ledger.flush()
        if want.n <= 0 or not want.kinds:
            return []
        shares = self._shares(want)
        picked = self._its_root(want) if want.root_id is not None else []
        whole = [share.lane for share in shares if share.is_whole]
        if whole:
            picked += self._select(f"{self._db.member('lane_id')} and ready = 1", (self._db.array(whole),))
        for share in shares:
            if not share.is_whole:
                picked += self._select("lane_id = ? and ready = 1 order by id limit ?", (share.lane, share.taken))
        if ledger.locks.are_shared:  # rows come as the database likes
            places = {share.lane: place for place, share in enumerate(shares)}
            picked.sort(key=lambda job: (places.get(job.lane_id, -1), job.id))
        if ledger.cancel_lists:
            picked = [job for job in picked if may(job)]
        ledger.take(picked, owner)
        ledger.serve(shares)
        return picked

    def _shares(self, want: Want) -> list[Share]:
        """How many to take of which lane."""
        gathered = self._ledger.queues.ready  # not stored yet: nothing, where one transaction writes at a time
        most = want.n + len(gathered)
        find = self._lanes_of_kinds if want.root_id is None else self._lanes_of_tree
        lanes = find(want, _ANYTHING_READY, most)
        if gathered:
            moved = find(want, _Which(self._db.member("l.id"), (self._db.array(gathered),)), most)
            lanes = self._ledger.queues.with_gathered([*lanes, *moved])
        lanes = self._ledger.locks.limited(lanes, self._ledger.queues.uses, self._ledger.now)
        shares: list[Share] = []
        room: dict[int, int] = {}
        left = want.n
        for _, group in groupby(lanes, key=lambda lane: lane[_PRIORITY]):
            left = share_out(list(group), left, room, shares)
            if left <= 0:
                break
        return shares

    def _lanes_of_kinds(self, want: Want, which: _Which, most: int) -> list[Any]:
        """The next lanes, as many as jobs are wanted: those of each kind in their order, merged."""
        queueing = self._db.rows(
            f"select kind from kind where {self._db.member('kind')}"
            f" and exists (select 1 from lane l where l.kind = kind.kind and {which.text})",
            (self._db.array(want.kinds), *which.params),
        )
        found: list[Any] = []
        sql = _LANES.format(which=f"l.kind = ? and {which.text}")
        for (kind,) in queueing:
            found += self._db.rows(sql, (kind, *which.params, self._ledger.now, most))
        if len(queueing) > 1:
            found.sort(key=lambda lane: (-lane[_PRIORITY], lane[_TURN]))
        return found[:most]

    def _lanes_of_tree(self, want: Want, which: _Which, most: int) -> list[Any]:
        # kinds through an expression: the index of a tree's lanes is meant to be used, not that of a kind's
        of_kinds = self._db.member("coalesce(l.kind, '')")
        sql = _LANES.format(which=f"l.root_id = ? and {of_kinds} and {which.text}")
        return self._db.rows(sql, (want.root_id, self._db.array(want.kinds), *which.params, self._ledger.now, most))

    def _its_root(self, want: Want) -> list[Job]:
        """The root of the tree that is asked for, which queues with all others'."""
        where = f"id = ? and root_id = id and ready = 1 and {self._db.member('kind')}"
        return self._select(where, (want.root_id, self._db.array(want.kinds)))

    def _select(self, where: str, params: Sequence[Any]) -> list[Job]:
        return self._ledger.adopt_ready(self._ledger.locks.free(BIRTH_SQL, where, params))
