"""Facts that arrived and are not recorded yet, in order. Bounded: when it is too full, executors have to wait.

A round must not hold others up for long, so what it carries is bounded by weight: a fact counts as one, children that
are spawned as one each.
"""

from collections.abc import Sequence

from quaero.domain.facts import Fact, Lines, Spawned

MAX_FACTS = 80_000
MAX_BYTES = 64 * 1024 * 1024
MAX_ROUND_BYTES = 8 * 1024 * 1024


class Inbox:
    """What the next rounds will record."""

    def __init__(self) -> None:
        self._facts: list[Fact] = []
        self._bytes = self._children = 0

    def __bool__(self) -> bool:
        return bool(self._facts)

    def add(self, facts: list[Fact]) -> None:
        """Put facts behind what waits."""
        self._facts += facts
        self._count(facts, 1)

    def put_back(self, facts: list[Fact]) -> None:
        """Put facts that could not be recorded before what waits."""
        self._facts[:0] = facts
        self._count(facts, 1)

    def take(self, limit: int) -> list[Fact]:
        """The next facts, of weight `limit` and not many more bytes than one round should hold; one at least."""
        n = size = weight = 0
        for fact in self._facts[:limit] if self._bytes or self._children else ():
            if size > MAX_ROUND_BYTES or weight >= limit:
                break
            n += 1
            size += len(fact.body) if type(fact) is Lines else 0
            weight += len(fact.children) if type(fact) is Spawned else 1
        n = n or limit
        taken, self._facts = self._facts[:n], self._facts[n:]
        self._count(taken, -1)
        return taken

    def _count(self, facts: list[Fact], sign: int) -> None:
        self._bytes += sign * sum([len(fact.body) for fact in facts if type(fact) is Lines])
        self._children += sign * spawned_in(facts)

    @property
    def is_overfull(self) -> bool:
        """Whether executors must wait before they tell more."""
        return self._bytes > MAX_BYTES or len(self._facts) > MAX_FACTS


def spawned_in(facts: Sequence[Fact]) -> int:
    """How many children are spawned by these facts."""
    return sum([len(fact.children) for fact in facts if type(fact) is Spawned])
