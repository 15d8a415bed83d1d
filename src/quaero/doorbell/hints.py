"""What doorbells between machines say to each other, as short texts, and who is known to heed which trees.

    ring   name work trees     something was recorded in these trees; there is something to do
    heed   name trees          from now on I want to know of these trees
    ask    name                I am new: who heeds what?

Any of them may be lost. Whoever heeds says so again now and then, and who has not for a while is forgotten.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

ALL = "*"
MOST_TREES = 500  # in one text, which may have 8,000 bytes; more are "all"
SAID_EVERY = 10.0  # seconds
FORGOTTEN_AFTER = 25.0  # seconds

Trees = frozenset[int] | None
"""Trees; None: all of them."""


@dataclass(frozen=True, slots=True)
class Hint:
    """One text, read."""

    verb: str
    name: str
    trees: Trees = frozenset()
    work: bool = False

    def concerns(self, trees: Trees, work: bool) -> bool:
        """Whether a ring concerns one who heeds these trees and (`work`) what is to do."""
        return (work and self.work) or _meet(self.trees, trees)


def ring(name: str, trees: Trees, work: bool) -> str:
    """Something was recorded, or is to do."""
    return f"ring {name} {int(work)} {_listed(trees)}"


def heed(name: str, trees: Trees) -> str:
    """These trees are watched."""
    return f"heed {name} {_listed(trees)}"


def ask(name: str) -> str:
    """Who watches what?"""
    return f"ask {name}"


def read(text: str) -> Hint:
    """What a text says. One that is none of ours rings for everything: a hint too many does no harm."""
    match text.split(" "):
        case ["ring", name, work, trees] if _are_trees(trees):
            return Hint("ring", name, _trees(trees), work == "1")
        case ["heed", name, trees] if _are_trees(trees):
            return Hint("heed", name, _trees(trees))
        case ["ask", name]:
            return Hint("ask", name)
    return Hint("ring", "", None, True)


class Heeded:
    """Which trees the others heed, as far as they have said so lately."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[Trees, float]] = {}
        self.all: Trees = frozenset()

    def said(self, name: str, trees: Trees, now: float) -> None:
        """One says what it heeds."""
        self._said[name] = (trees, now)
        self.forget(now)

    def forget(self, now: float) -> None:
        """Whoever has not said anything for long, or heeds nothing, counts no more."""
        self._said = {
            name: (trees, at)
            for name, (trees, at) in self._said.items()
            if now - at < FORGOTTEN_AFTER and (trees is None or trees)
        }
        every = [trees for trees, _ in self._said.values()]
        self.all = None if None in every else frozenset().union(*(trees for trees in every if trees is not None))

    def among(self, trees: Iterable[int]) -> frozenset[int]:
        """Those of these trees that somebody heeds."""
        return frozenset(trees) if self.all is None else self.all.intersection(trees)


def some(trees: Collection[int]) -> Trees:
    """These trees, or all if they are too many to be named."""
    return frozenset(trees) if len(trees) <= MOST_TREES else None


def _meet(one: Trees, other: Trees) -> bool:
    if one is None or other is None:
        return bool(one is None or one) and bool(other is None or other)
    return not one.isdisjoint(other)


def _listed(trees: Trees) -> str:
    return ALL if trees is None else ",".join(map(str, sorted(trees)))


def _are_trees(text: str) -> bool:
    return text in ("", ALL) or all(part.isascii() and part.isdecimal() for part in text.split(","))


def _trees(text: str) -> Trees:
    return None if text == ALL else frozenset(int(part) for part in text.split(",") if part)
