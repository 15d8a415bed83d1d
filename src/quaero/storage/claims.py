"""Claims: who is next, by priority, round by tree within a priority, honouring every limit.

Ready work is found, not searched: kinds of which nothing is ready, and lanes in which nothing is or that rest, are not
in the index a claim walks. It looks at one lane for each job it takes, and once at each that has to rest from then on.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from quaero.domain.job import Job
from quaero.storage.connection import Connection
from quaero.storage.leaves import BIRTH_SQL
from quaero.storage.port import Want
from quaero.storage.sharing import Share, share_out
from quaero.storage.trail import Trail

if TYPE_CHECKING:
    from quaero.storage.ledger import SqlLedger

_LANES = """
select l.id, l.priority, l.n_ready, l.limit_id, case when a.next_at > ? then 0 else a.at_once - a.in_use end, a.apart,
 l.step_limit_id, b.at_once - b.in_use, l.root_id, l.turn
from lane l left join limits a on a.id = l.limit_id left join limits b on b.id = l.step_limit_id
where {which}
order by l.priority desc, l.turn limit ?"""
_PRIORITY, _LIMIT, _FREE, _STEP_LIMIT, _STEP_FREE, _TURN = 1, 3, 4, 6, 7, 9

LAST_ID = 2**63 - 1
May = Callable[[Job], bool]
_Find = Callable[[str, Sequence[Any]], list[Job]]


class _Which(NamedTuple):
    """Which lanes: a condition and its parameters."""

    text: str
    params: tuple[Any, ...] = ()


_AWAKE = _Which("l.n_ready > 0 and l.rests_on is null")


class Claims:
    """Finds ready jobs and gives them to workers."""

    def __init__(self, db: Connection, ledger: "SqlLedger", trail: Trail) -> None:
        self._db = db
        self._ledger = ledger
        self._trail = trail

    def claim(self, want: Want, owner: int, may: May) -> list[Job]:
        """Reserve up to `want.n` jobs for a worker; of those that were next, the ones that `may` be.

        Only while something is being cancelled is anybody asked.
        """
        ledger = self._ledger
        ledger.queues.only_for(want.root_id)
        ledger.flush()
        ledger.queues.resting.has_woken = False  # what was woken until now is about to be looked at
        if want.n <= 0 or not want.kinds:
            return []
        shares = self._shares(want)
        is_at_once = ledger.locks.are_shared and not ledger.cancel_lists
        find = partial(self._take, owner) if is_at_once else self._find
        picked = self._its_root(find, want) if want.root_id is not None else []
        whole = [share.lane for share in shares if share.is_whole and not self._trail.knows(share.lane)]
        if whole:
            picked += find(f"{self._db.member('lane_id')} and ready = 1", (self._db.array(whole),))
        for share in shares:
            if not share.is_whole or self._trail.knows(share.lane):
                picked += self._on(find, share)
        places = {share.lane: place for place, share in enumerate(shares)}
        picked.sort(key=lambda job: (places.get(job.lane_id, -1), job.id))  # rows come as the database likes
        if not is_at_once:
            picked = [job for job in picked if may(job)] if ledger.cancel_lists else picked
            ledger.take(picked, owner)
        ledger.serve(shares)
        return picked

    def _on(self, find: _Find, share: Share) -> list[Job]:
        """So many of a lane, from where this process was on; if that is not enough, from the front."""
        lane, n = share.lane, share.taken
        trail, now = self._trail, self._ledger.now
        start = trail.start(lane, now)
        found = find("lane_id = ? and ready = 1 and id > ? order by id limit ?", (lane, start, n)) if start else []
        if not start or (len(found) < n and trail.may_look(lane)):
            began = time.perf_counter()
            where = "lane_id = ? and ready = 1 and id <= ? order by id limit ?"
            more = find(where, (lane, start or LAST_ID, n - len(found)))
            trail.looked(lane, now, time.perf_counter() - began, in_vain=not more)
            found += more
        if found:
            trail.took(lane, max(job.id for job in found))
        return found

    def _shares(self, want: Want) -> list[Share]:
        """How many to take of which lane."""
        queues = self._ledger.queues
        lanes, used_up = self._awake(want)
        lanes = self._ledger.locks.limited(lanes, queues.uses, self._ledger.now)
        shares: list[Share] = []
        room: dict[int, int] = {}
        left = want.n
        for _, group in groupby(lanes, key=lambda lane: lane[_PRIORITY]):
            left = share_out(list(group), left, room, shares)
            if left <= 0:
                break
        emptied = {share.lane for share in shares if share.is_whole}
        self._rest([*used_up, *(lane for lane in lanes if lane[0] not in emptied and _is_used_up(lane, room))], room)
        return shares

    def _awake(self, want: Want) -> tuple[list[Any], list[Any]]:
        """The next lanes, as many as jobs are wanted if there are, and those before them whose limits have no room."""
        queues = self._ledger.queues
        kinds = self._queueing(want)
        loose = queues.loose  # not stored as they are: most of the time nothing
        moved = []
        if loose:
            which = _Which(self._db.member("l.id"), (self._db.array(loose),))
            moved = [lane for lane in self._lanes(want, want.kinds, which, len(loose)) if not _is_used_up(lane)]
        passed_by = queues.resting.put_to_rest
        used_up: list[Any] = []
        while True:
            most = want.n + len(loose) + 4 * len(used_up)
            lanes = self._lanes(want, kinds, self._beside(passed_by), most)
            met = [lane for lane in lanes if _is_used_up(lane)]
            used_up += met
            passed_by = passed_by.union(lane[0] for lane in met)
            if not met or len(lanes) < most:
                break
        lanes = [lane for lane in lanes if lane[0] not in passed_by] if met else lanes
        return queues.with_gathered([*lanes, *moved]) if loose else lanes, used_up

    def _queueing(self, want: Want) -> Sequence[str]:
        """The kinds of which anything is awake. On the way, what has rested long enough is woken."""
        queues = self._ledger.queues
        if want.root_id is not None:
            queues.resting.call_due()
            return want.kinds
        known = self._db.rows(
            "select kind,"  # not `exists`, which heeds no order: the order names the index
            f" (select 1 from lane l where l.kind = kind.kind and {_AWAKE.text}"
            " order by l.priority desc, l.turn limit 1),"
            " (select min(next_at) from limits where next_at > 0)"
            f" from kind where {self._db.member('kind')}",
            (self._db.array(want.kinds),),
        )
        if known and known[0][2] and known[0][2] <= self._ledger.now:
            queues.resting.call_due()
        return [kind for kind, is_queueing, _ in known if is_queueing]

    def _beside(self, lanes: set[int]) -> _Which:
        if not lanes:
            return _AWAKE
        return _Which(f"{_AWAKE.text} and not ({self._db.member('l.id')})", (self._db.array(lanes),))

    def _rest(self, lanes: list[Any], room: dict[int, int]) -> None:
        """Put to rest what was met and cannot be taken; it is woken when it may be."""
        if not lanes:
            return
        locks = self._ledger.locks
        queues = self._ledger.queues
        wanting = {limit for lane in lanes for limit in _used_up_of(lane, room)}
        held = {limit for limit, free in room.items() if free <= 0}
        if doubtful := wanting - held:
            held |= locks.used_up(doubtful, queues.uses, self._ledger.now)
        for lane in lanes:
            on = next((limit for limit in _used_up_of(lane, room) if limit in held), None)
            if on is not None:
                queues.resting.rest(lane[0], on, filter(None, (lane[_LIMIT], lane[_STEP_LIMIT])))

    def _lanes(self, want: Want, kinds: Sequence[str], which: _Which, most: int) -> list[Any]:
        """The next lanes: those of the one tree, or of each kind in their order, merged."""
        if want.root_id is not None:
            return self._lanes_of_tree(want, which, most)
        found: list[Any] = []
        sql = _LANES.format(which=f"l.kind = ? and {which.text}")
        for kind in kinds:
            found += self._db.rows(sql, (self._ledger.now, kind, *which.params, most))
        if len(kinds) > 1:
            found.sort(key=lambda lane: (-lane[_PRIORITY], lane[_TURN]))
        return found[:most]

    def _lanes_of_tree(self, want: Want, which: _Which, most: int) -> list[Any]:
        # kinds through an expression: the index of a tree's lanes is meant to be used, not that of a kind's
        of_kinds = self._db.member("coalesce(l.kind, '')")
        sql = _LANES.format(which=f"l.root_id = ? and {of_kinds} and {which.text}")
        return self._db.rows(sql, (self._ledger.now, want.root_id, self._db.array(want.kinds), *which.params, most))

    def _its_root(self, find: _Find, want: Want) -> list[Job]:
        """The root of the tree that is asked for, which queues with all others'."""
        where = f"id = ? and root_id = id and ready = 1 and {self._db.member('kind')}"
        return find(where, (want.root_id, self._db.array(want.kinds)))

    def _find(self, where: str, params: Sequence[Any]) -> list[Job]:
        return self._ledger.adopt_ready(self._ledger.locks.free(BIRTH_SQL, where, params))

    def _take(self, owner: int, where: str, params: Sequence[Any]) -> list[Job]:
        return self._ledger.find_and_take(where, params, owner)


def _used_up_of(lane: Any, room: Mapping[int, int]) -> list[int]:
    """The limits of a lane that have no room, by what was shared out or else by what was stored."""
    pairs = ((lane[_LIMIT], lane[_FREE]), (lane[_STEP_LIMIT], lane[_STEP_FREE]))
    return [limit for limit, free in pairs if limit is not None and room.get(limit, free or 0) <= 0]


def _is_used_up(lane: Any, room: Mapping[int, int] = MappingProxyType({})) -> bool:
    return (lane[_LIMIT] is not None or lane[_STEP_LIMIT] is not None) and bool(_used_up_of(lane, room))
