"""The limits that one transaction holds: waited for in order of id, or taken only if they are free.

A claim holds the limits of the lanes it may take from, and whoever ends a job those that this eases, which may be any.
So once a limit is held, those before it are taken only if nobody else has them.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from quaero.storage.connection import Connection
from quaero.storage.postgres.footprint import Contended

_HOLD = "select id, at_once - in_use, next_at from limits where {which} for no key update"


class LimitLocks:
    """Holds limits until the commit. `expected` are those that earlier runs of the transaction needed."""

    def __init__(self, db: Connection, expected: Iterable[int]) -> None:
        self._db = db
        self._expected = set(expected)
        self._held: dict[int, tuple[int, int]] = {}

    def hold(self, limits: Iterable[int]) -> None:
        """Hold these. Raises Contended for those that come before what is held already, if others have them."""
        wanted = self._expected.union(limits).difference(self._held)
        self._expected = set()
        last = max(self._held, default=0)
        behind = {limit for limit in wanted if limit < last}
        if behind:
            self._at_once(behind)
        if ahead := wanted - behind:
            self._take("id = any(?) order by id", (self._db.array(sorted(ahead)),))

    def _at_once(self, limits: set[int]) -> None:
        missing = limits.difference(self._take_free("id = any(?)", (self._db.array(sorted(limits)),)))
        if missing:
            held = self._db.rows("select id from limits where id = any(?)", (self._db.array(sorted(missing)),))
            if held:
                raise Contended(limits=(row[0] for row in held))

    def hold_free(self, which: str, params: Sequence[Any]) -> list[int]:
        """Hold those that match and that nobody else has; which they are."""
        self.hold(())
        return self._take_free(which, params)

    def _take_free(self, which: str, params: Sequence[Any]) -> list[int]:
        return self._take(which, params, " skip locked")

    def _take(self, which: str, params: Sequence[Any], unless: str = "") -> list[int]:
        rows = self._db.rows(_HOLD.format(which=which) + unless, params)
        self._held.update((limit, (free, next_at)) for limit, free, next_at in rows)
        return [row[0] for row in rows]

    def room(self, limit: int, used: int, now: int) -> int:
        """What was free under a limit when it was taken, less what was `used` since; 0 while it keeps starts apart."""
        free, next_at = self._held.get(limit, (0, 0))
        return free - used if next_at <= now else 0

    @property
    def are_held(self) -> bool:
        """Whether any is."""
        return bool(self._held)
