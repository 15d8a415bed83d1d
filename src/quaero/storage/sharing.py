"""Dividing a claim: evenly among the trees of one priority, then among the lanes of each, within every limit.

Roots queue in lanes of their own, each of them a tree with one job to give. Whatever waits there gets what running
trees leave, and never less than half, so neither can starve the other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

ROOTS = 0  # the root of a lane in which roots queue

Lane = tuple[int, int, int, int | None, int | None, int | None, int | None, int | None, int, int]
"""id, priority, n_ready, limit, free places, apart, step limit, free places, root, turn."""


def tree_of(root_id: int, lane_id: int) -> int:
    """Whose turns a lane takes: its tree's; a lane of roots has turns of its own."""
    return root_id if root_id != ROOTS else -lane_id


class Share:
    """What one lane gets of a claim."""

    __slots__ = ("_limits", "_room", "lane", "n_ready", "priority", "taken", "tree", "turn")

    def __init__(self, lane: Lane, room: dict[int, int]) -> None:
        self.lane, self.priority, self.n_ready = lane[:3]
        root_id, self.turn = lane[8:]
        self.tree = tree_of(root_id, self.lane)
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


def share_out(lanes: Iterable[Lane], left: int, room: dict[int, int], shares: list[Share]) -> int:
    """Divide `left` among the trees of one priority, evenly, what one cannot use going to the others; what remains."""
    trees: dict[int, list[Share]] = defaultdict(list)
    for lane in lanes:
        _, _, _, limit, free, apart, step_limit, step_free, _, _ = lane
        if limit is not None:
            room.setdefault(limit, min(free or 0, 1) if apart else free or 0)
        if step_limit is not None:
            room.setdefault(step_limit, step_free or 0)
        share = Share(lane, room)
        trees[share.tree].append(share)
    running = [of[0].take if len(of) == 1 else _Tree(of).take for tree, of in trees.items() if tree > 0]
    roots = [of[0].take for tree, of in trees.items() if tree < 0]
    for_roots = max(left - len(running), -(-left // 2)) if roots else 0
    left = left - for_roots + _evenly(for_roots, roots)
    left = _evenly(_evenly(left, running), roots)
    for of_tree in trees.values():
        shares += [share for share in of_tree if share.taken]
    return left


def _evenly(left: int, takers: Sequence[Callable[[int], int]]) -> int:
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
