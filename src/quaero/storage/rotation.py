"""Whose turn it is: trees of one priority take turns, however many lanes each of them has.

Start-time fair queueing. A lane's `turn` is a place in a line of turns; claims serve the lowest. Every serving moves a
lane of the tree one place behind all the others of that tree, so a tree with a thousand lanes waits between two
servings as long as a tree with one. Whatever begins to queue begins at the turn that was served last: it neither
waits behind a long line nor profits from having been idle.
"""

from quaero.storage.connection import Connection

MOST_TREES = 50_000  # whose last place is remembered; of a tree forgotten, lanes may be served a little early


class Rotation:
    """What one process knows of the places of trees; other processes' are seen in the lanes themselves."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, int], int] = {}
        self.only_tree: int | None = None  # the tree whose jobs alone are claimed here

    def place(self, root_id: int, priority: int, earliest: int) -> int:
        """The next place of a tree, not before `earliest`."""
        tree = (root_id, priority)
        last = self._last.get(tree)
        place = earliest if last is None or last < earliest else last + 1
        if len(self._last) >= MOST_TREES:
            self._last.clear()
        self._last[tree] = place
        return place


class Passed:
    """The turns that were served last, by priority, within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._passed: dict[int, int] = {}
        self._moved: dict[int, int] = {}
        self._stored: set[int] = set()

    def at(self, priority: int) -> int:
        """The turn served last."""
        if priority not in self._passed:
            found = self._db.rows("select passed from turn where priority = ?", (priority,))
            self._passed[priority] = found[0][0] if found else 0
            self._stored.update([priority] if found else [])
        return self._passed[priority]

    def move(self, priority: int, turn: int) -> None:
        """This turn was served."""
        if turn > self.at(priority):
            self._passed[priority] = self._moved[priority] = turn

    def save(self) -> None:
        """Store what moved; what somebody else moves just now is left to them."""
        only_free = self._db.dialect.claimed
        for priority, turn in self._moved.items():
            sql = f"select 1 from turn where priority = ? {only_free}"
            if only_free and priority in self._stored and not self._db.rows(sql, (priority,)):
                continue
            self._db.run(
                "insert into turn(priority, passed)"
                " values(?, ?) on conflict(priority) do update set passed = excluded.passed"
                " where turn.passed < excluded.passed",
                (priority, turn),
            )
        self._moved = {}
