"""Facts that arrived and are not recorded yet, in order. Bounded: when it is too full, executors have to wait."""

from quaero.domain.facts import Fact, Lines

MAX_FACTS = 80_000
MAX_BYTES = 64 * 1024 * 1024
MAX_ROUND_BYTES = 8 * 1024 * 1024


class Inbox:
    """What the next rounds will record."""

    def __init__(self) -> None:
        self._facts: list[Fact] = []
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._facts)

    def add(self, facts: list[Fact]) -> None:
        """Put facts behind what waits."""
        self._facts += facts
        self._bytes += _size(facts)

    def put_back(self, facts: list[Fact]) -> None:
        """Put facts that could not be recorded before what waits."""
        self._facts[:0] = facts
        self._bytes += _size(facts)

    def take(self, limit: int) -> list[Fact]:
        """The next facts, `limit` at most, and not many more bytes than one round should hold."""
        n = size = 0
        for fact in self._facts[:limit] if self._bytes else ():
            n += 1
            size += len(fact.body) if isinstance(fact, Lines) else 0
            if size > MAX_ROUND_BYTES:
                break
        n = n or limit
        taken, self._facts = self._facts[:n], self._facts[n:]
        self._bytes -= size
        return taken

    @property
    def is_overfull(self) -> bool:
        """Whether executors must wait before they tell more."""
        return self._bytes > MAX_BYTES or len(self._facts) > MAX_FACTS


def _size(facts: list[Fact]) -> int:
    return sum([len(fact.body) for fact in facts if type(fact) is Lines])
