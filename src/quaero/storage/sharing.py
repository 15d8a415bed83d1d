"""Dividing a claim: evenly among the trees of one priority, then among the lanes of each, within every limit."""

from collections import defaultdict
from collections.abc import Callable

Lane = tuple[int, int, int, int | None, int | None, int | None, int | None, int | None, int, int]
"""id, priority, n_ready, limit, free places, apart, step limit, free places, root, turn."""


class Share:
    """What one lane gets of a claim."""

    __slots__ = ("_limits", "_room", "lane", "n_ready", "priority", "root_id", "taken", "turn")

    def __init__(self, lane: Lane, room: dict[int, int]) -> None:
        self.lane, self.priority, self.n_ready = lane[:3]
        self.root_id, self.turn = lane[8:]
        self.taken = 0
        self._limits = () if lane[3] is lane[6] is None else tuple(i for i in (lane[3], lane[6]) if i is not None)
        self._room = room

    @property
    def is_whole(self) -> bool:
        """Whether all that is ready is taken."""
        return self.taken == self.n_ready

    def take(self, n: int) -> int:
        """Up to `n` more, as its limits allow."""
        room = self._room
        n = min(n, self.n_ready - self.taken)
        for limit in self._limits:
            n = min(n, room[limit])
        for limit in self._limits:
            room[limit] -= n
        self.taken += n
        return n


class _Tree:
    """The lanes of one tree, which share what the tree gets."""

    def __init__(self, shares: list[Share]) -> None:
        self._shares = shares

    def take(self, n: int) -> int:
        """Up to `n` more, evenly over its lanes."""
        return n - _evenly(n, [share.take for share in self._shares])


def share_out(lanes: list[Lane], left: int, room: dict[int, int], shares: list[Share]) -> int:
    """Divide `left` among the trees of one priority, evenly, what one cannot use going to the others; what remains."""
    trees: dict[int, list[Share]] = defaultdict(list)
    for lane in lanes:
        _, _, _, limit, free, apart, step_limit, step_free, root_id, _ = lane
        if limit is not None:
            room.setdefault(limit, min(free or 0, 1) if apart else free or 0)
        if step_limit is not None:
            room.setdefault(step_limit, step_free or 0)
        trees[root_id].append(Share(lane, room))
    left = _evenly(left, [of_tree[0].take if len(of_tree) == 1 else _Tree(of_tree).take for of_tree in trees.values()])
    for of_tree in trees.values():
        shares += [share for share in of_tree if share.taken]
    return left


def _evenly(left: int, takers: list[Callable[[int], int]]) -> int:
    """Let each take as much as any other while they can; what remains."""
    while left > 0 and takers:
        each = max(1, left // len(takers))
        able = []
        for take in takers:
            wanted = min(each, left)
            given = take(wanted)
            left -= given
            if given == wanted:
                able.append(take)
        takers = able
    return left
