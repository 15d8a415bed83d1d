"""What a round may carry: so many facts or children, so many bytes, and always at least one fact."""

from quaero.domain.facts import Began, Fact, Lines, Spawned
from quaero.engine.worker import inbox
from quaero.engine.worker.inbox import Inbox
from quaero.testing.factories import a_child


def begins(n: int) -> list[Fact]:
    return [Began(i, 1, 1) for i in range(n)]


def spawns(*sizes: int) -> list[Fact]:
    return [Spawned(1, 1, 0, [a_child()] * size) for size in sizes]


def lines(*sizes: int) -> list[Fact]:
    return [Lines(1, 1, 1, 1, 1, 1, b"x" * size) for size in sizes]


def test_facts_come_out_in_order_as_many_as_asked_for() -> None:
    box = Inbox()
    facts = begins(10)
    box.add(facts[:7])
    box.add(facts[7:])

    assert [box.take(4), box.take(4), box.take(4), box.take(4)] == [facts[:4], facts[4:8], facts[8:], []]
    assert not box


def test_children_weigh_one_each() -> None:
    box = Inbox()
    facts = [*begins(2), *spawns(60, 60, 500), *begins(3)]
    box.add(facts)

    assert [box.take(100), box.take(100), box.take(100)] == [facts[:4], facts[4:5], facts[5:]]


def test_a_round_holds_only_so_many_bytes() -> None:
    box = Inbox()
    facts = [*lines(*[inbox.MAX_ROUND_BYTES // 2 + 1] * 5), *begins(1)]
    box.add(facts)

    assert [len(box.take(100)) for _ in range(4)] == [2, 2, 2, 0]


def test_what_could_not_be_recorded_comes_first_again() -> None:
    box = Inbox()
    facts = [*begins(4), *spawns(2)]
    box.add(facts)

    box.put_back(box.take(3))

    assert box.take(10) == facts


def test_it_is_too_full_when_it_holds_too_many_facts_or_bytes() -> None:
    box = Inbox()
    box.add(begins(inbox.MAX_FACTS))
    assert not box.is_overfull
    box.add(begins(1))
    assert box.is_overfull
    while box:
        box.take(10_000)
    assert not box.is_overfull
    box.add(lines(inbox.MAX_BYTES + 1))
    assert box.is_overfull
