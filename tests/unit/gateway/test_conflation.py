"""One thing is told at once, then once in an interval, the last change always, an end at once: in virtual time."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from quaero.gateway.conflation import Conflation

INTERVAL = 1.0
Burst = list[tuple[float, str, bool]]  # seconds since the last change, key, whether it is an end

bursts = st.lists(
    st.tuples(st.sampled_from([0.0, 1 / 1024, 0.25, 1023 / 1024, 1.0, 3.0]), st.sampled_from("abc"), st.booleans()),
    max_size=60,
)


def played(burst: Burst) -> tuple[list[tuple[float, str, int]], dict[str, int]]:
    """What was told as (when, key, value told), and the last value of each key. Time moves from event to event."""
    conflation: Conflation[str] = Conflation()
    values: dict[str, int] = {}
    told: list[tuple[float, str, int]] = []
    now = 0.0

    def tell_until(end: float) -> None:
        while (due := conflation.next_due()) is not None and due <= end:
            told.extend((due, key, values[key]) for key in conflation.take(due))

    for n, (pause, key, is_end) in enumerate(burst):
        tell_until(now + pause)
        now += pause
        values[key] = n
        conflation.changed(key, now, INTERVAL, urgent=is_end)
        tell_until(now)
    tell_until(now + 10)
    assert not len(conflation)
    return told, values


@given(bursts)
def test_the_last_change_of_every_key_is_told(burst: Burst) -> None:
    told, values = played(burst)

    assert {key: value for _, key, value in told} == values


@given(bursts)
def test_without_an_end_a_key_is_told_at_most_once_in_an_interval(burst: Burst) -> None:
    told, _ = played([(pause, key, False) for pause, key, _ in burst])

    for key in "abc":
        moments = [when for when, told_key, _ in told if told_key == key]
        assert all(b - a >= INTERVAL for a, b in pairwise(moments))


@given(bursts)
def test_the_first_change_and_every_end_are_told_at_once(burst: Burst) -> None:
    told, _ = played(burst)

    now = 0.0
    for n, (pause, key, is_end) in enumerate(burst):
        now += pause
        at_once = (now, key, n) in told
        earlier = [when for when, told_key, value in told if told_key == key and value < n]
        assert at_once or not is_end
        assert at_once or (earlier and now < earlier[-1] + INTERVAL)


@given(bursts)
def test_nothing_is_kept_once_all_is_told_and_quiet(burst: Burst) -> None:
    conflation: Conflation[str] = Conflation()
    for n, (_, key, is_end) in enumerate(burst):
        conflation.changed(key, float(n), INTERVAL, urgent=is_end)
    conflation.take(1_000.0)
    conflation.take(1_010.0)

    assert not len(conflation)
    assert conflation.next_due() is None
    assert not vars(conflation)["_quiet_until"]


def test_what_is_forgotten_is_not_told() -> None:
    conflation: Conflation[str] = Conflation()
    conflation.changed("a", 0.0, INTERVAL)
    conflation.changed("b", 0.0, INTERVAL)

    conflation.forget("a")

    assert "a" not in conflation
    assert conflation.take(5.0) == ["b"]
