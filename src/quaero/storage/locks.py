"""How a transaction holds the rows it is going to change, so that nobody changes them before it has saved them.

Where one transaction writes at a time (SQLite), it holds everything. Where many do (PostgreSQL), rows are locked as
they are loaded, in one order; see `postgres/rowlocks.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from quaero.domain.job import Job
from quaero.storage.connection import Connection, Row

CLAIM = "update job set ready = 0, owner = ?, epoch = epoch + 1, version = version + 1"


class Locks(Protocol):
    """What one transaction holds of the table of jobs."""

    are_shared: bool  # whether other transactions write at the same time

    def jobs(self, columns: str, ids: Iterable[int]) -> list[Row]:
        """These jobs' rows, held; rows above them may come along. Unknown ids are left out."""

    def branches(self, columns: str, ids: Iterable[int]) -> list[Row]:
        """Rows above jobs that are held: all that changes of them may reach, held."""

    def versions(self, ids: Iterable[int]) -> list[Row]:
        """(id, version) of these jobs, held."""

    def free(self, columns: str, where: str, params: Sequence[Any]) -> list[Row]:
        """Rows that match and that no other transaction holds, held. `where` may end in an order and a limit."""

    def taken(self, columns: str, where: str, params: Sequence[Any], owner: int) -> list[Row]:
        """Rows that match and that no other transaction holds, given to a worker; as they are then."""

    def above(self, jobs: Iterable[Job]) -> set[int]:
        """Ids further up than parent, step and root that must be held with these jobs."""

    def cancelling(self, roots: Iterable[int]) -> dict[int, str | None]:
        """What is listed on these roots, fixed until the commit; roots on which somebody just lists are left out."""

    def limited(self, lanes: list[Any], uses: Mapping[int, int], now: int) -> list[Any]:
        """Lanes with the room that their limits have now, less what `uses` says; nobody takes of it meanwhile."""

    def used_up(self, limits: Iterable[int], uses: Mapping[int, int], now: int) -> set[int]:
        """Of limits that had no room those that have none now, held; those somebody else holds are left out."""

    def due_limits(self, now: int, most: int) -> list[int]:
        """Limits that kept starts apart until a moment that has come, held; those somebody else holds are left out."""

    def hold_limits(self, limits: Iterable[int]) -> None:
        """Let nobody else change these limits, or what is ready or rests under them, until the commit."""

    def lanes(self, columns: str, ids: Iterable[int]) -> list[Row]:
        """These lanes' rows, held."""

    def alone(self, root_id: int) -> None:
        """Keep others from reserving in this tree until the commit."""

    def everything(self) -> None:
        """Let nobody else write until the commit."""


class WholeStore:
    """The locks of a transaction that has the store to itself."""

    are_shared = False

    def __init__(self, db: Connection) -> None:
        self._db = db

    def jobs(self, columns: str, ids: Iterable[int]) -> list[Row]:
        """Their rows."""
        return self._db.rows(f"select {columns} from job where {self._db.member('id')}", (self._db.array(ids),))

    def branches(self, columns: str, ids: Iterable[int]) -> list[Row]:
        """Their rows."""
        return self.jobs(columns, ids)

    def versions(self, ids: Iterable[int]) -> list[Row]:
        """Their versions."""
        return self.jobs("id, version", ids)

    def free(self, columns: str, where: str, params: Sequence[Any]) -> list[Row]:
        """Rows that match."""
        return self._db.rows(f"select {columns} from job where {where}", params)

    def taken(self, columns: str, where: str, params: Sequence[Any], owner: int) -> list[Row]:
        """Rows that match. (To find them and then to take them costs a tenth less here.)"""
        sql = f"{CLAIM} where id in (select id from job where {where}) returning {columns}"
        return self._db.rows(sql, (owner, *params))

    def above(self, jobs: Iterable[Job]) -> set[int]:
        """Nothing: whatever is needed later is there."""
        return set()

    def cancelling(self, roots: Iterable[int]) -> dict[int, str | None]:
        """Nothing that is not known."""
        return {}

    def limited(self, lanes: list[Any], uses: Mapping[int, int], now: int) -> list[Any]:
        """They say it already."""
        return lanes

    def used_up(self, limits: Iterable[int], uses: Mapping[int, int], now: int) -> set[int]:
        """They all are."""
        return set(limits)

    def due_limits(self, now: int, most: int) -> list[int]:
        """The earliest first."""
        sql = "select id from limits where next_at > 0 and next_at <= ? order by next_at limit ?"
        return [row[0] for row in self._db.rows(sql, (now, most))]

    def hold_limits(self, limits: Iterable[int]) -> None:
        """Nobody does."""

    def lanes(self, columns: str, ids: Iterable[int]) -> list[Row]:
        """Their rows."""
        return self._db.rows(f"select {columns} from lane where {self._db.member('id')}", (self._db.array(ids),))

    def alone(self, root_id: int) -> None:
        """We are."""

    def everything(self) -> None:
        """Nobody does."""
