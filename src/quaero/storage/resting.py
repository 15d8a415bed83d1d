"""Lanes at rest: what a limit without room holds back is in no index that claims walk.

    awake ──a claim finds a limit of it without room──> rests on that limit
    rests ──a place is given back, or the limit's time has come──> awake

So a claim costs what it takes, however many lanes wait for a host to rest or for a step to have room.

The rule that keeps work from being forgotten: while a limit has room, then for each kind either no lane rests on it, or
as many as it has places were woken. Whoever may break it (a place is given back, a woken lane had to rest on another
limit, or was emptied) looks at the limit before the commit. To wake too many costs a look, to wake too few a job. See
docs/adr/0008-lanes-at-rest.md.
"""

from collections.abc import Iterable

from quaero.storage.connection import Connection
from quaero.storage.locks import Locks
from quaero.storage.rotation import Rotation

DUE_AT_ONCE = 2_000  # limits whose time has come that one claim looks at

_FIRST = "select l.id from lane l where l.rests_on = a.id and l.n_ready > 0 order by l.kind, l.priority desc, l.turn"
_HEADS = f"""
select a.id, case when a.apart > 0 then 1 else a.at_once - a.in_use end, ({_FIRST} limit 1), ({_FIRST} limit 1 offset 1)
from limits a where {{these}} and a.in_use < a.at_once and a.next_at <= ?"""
_KINDS = """
with recursive resting(kind) as (
  select min(kind) from lane where rests_on = ? and n_ready > 0
  union all select (select min(kind) from lane where rests_on = ? and n_ready > 0 and kind > resting.kind)
  from resting where resting.kind is not null)
select kind from resting where kind is not null"""
_BEST = "select id from lane where rests_on = ? and {of} = ? and n_ready > 0 order by priority desc, turn limit ?"


class Resting:
    """What one transaction puts to rest and wakes."""

    def __init__(self, db: Connection, now: int, locks: Locks, rotation: Rotation) -> None:
        self._db = db
        self._now = now
        self._locks = locks
        self._rotation = rotation
        self._moved: dict[int, int | None] = {}
        self._limits: set[int] = set()
        self.due: set[int] = set()
        self.has_more_due = False
        self.has_woken = False  # since the last claim began

    @property
    def waiting(self) -> bool:
        """Whether anything is to be stored or looked at."""
        return bool(self._moved or self._limits or self.due)

    @property
    def limits(self) -> set[int]:
        """Limits that must be held when they are looked at."""
        return self._limits | self.due

    @property
    def woken(self) -> set[int]:
        """Lanes that are stored as resting and do not."""
        return {lane for lane, limit in self._moved.items() if limit is None}

    @property
    def put_to_rest(self) -> set[int]:
        """Lanes that rest and are not stored as such."""
        return {lane for lane, limit in self._moved.items() if limit is not None}

    def rest(self, lane_id: int, limit: int, limits: Iterable[int]) -> None:
        """This lane rests on `limit`; what is free under its other `limits` may be another's."""
        self._moved[lane_id] = limit
        self._limits.update(limits)

    def look_at(self, limits: Iterable[int]) -> None:
        """Before the commit, wake what may rest on these although they have room."""
        self._limits.update(limits)

    def call_due(self) -> None:
        """Wake lanes whose limit kept starts apart until now."""
        due = self._locks.due_limits(self._now, DUE_AT_ONCE)
        self.has_more_due = len(due) == DUE_AT_ONCE
        self.due.update(due)
        self._wake(due)

    def settle(self) -> None:
        """Store what was put to rest and woken. Limits, and what is ready in lanes, must be stored already."""
        self._save()
        limits, self._limits = self._limits, set()
        self.due = set()
        if limits:
            self._wake(limits)
            self.has_woken = self.has_woken or bool(self._moved)
            self._save()

    def _save(self) -> None:
        if self._moved:
            moved = [(limit, lane) for lane, limit in sorted(self._moved.items())]
            self._db.run_many("update lane set rests_on = ? where id = ?", moved)
            self._moved = {}

    def _wake(self, limits: Iterable[int]) -> None:
        sql = _HEADS.format(these=self._db.member("a.id"))
        for limit, room, first, second in self._db.rows(sql, (self._db.array(limits), self._now)):
            woken = [first] if second is None else self._best(limit, room)
            self._moved.update((lane, None) for lane in woken if lane is not None)

    def _best(self, limit: int, room: int) -> list[int]:
        """Of each kind, and of the tree this process works for, the lanes that come next: as many as there is room for.

        Nobody knows which kinds have workers just now.
        """
        found: list[int] = []
        for (kind,) in self._db.rows(_KINDS, (limit, limit)):
            found += [row[0] for row in self._db.rows(_BEST.format(of="kind"), (limit, kind, room))]
        if (tree := self._rotation.only_tree) is not None:
            found += [row[0] for row in self._db.rows(_BEST.format(of="root_id"), (limit, tree, room))]
        return found
