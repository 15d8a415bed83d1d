"""When a claim goes on where the last one ended, and when it begins at the front."""

import pytest

from quaero.storage import trail as trail_module
from quaero.storage.trail import AFRESH, WORTH, Trail

LANE, NOW = 7, 1_000_000_000


def test_a_lane_that_nothing_was_taken_from_is_begun_at_the_front() -> None:
    trail = Trail()

    assert not trail.knows(LANE)
    assert trail.start(LANE, NOW) == 0


def test_the_next_claim_goes_on_until_a_second_has_passed() -> None:
    trail = Trail()
    trail.looked(LANE, NOW, 0.001, in_vain=False)
    trail.took(LANE, 42)

    assert trail.start(LANE, NOW + AFRESH - 1) == 42
    assert trail.start(LANE, NOW + AFRESH) == 0


def test_a_transaction_goes_on_where_it_is_and_the_next_where_the_last_commit_was() -> None:
    trail = Trail()
    trail.looked(LANE, NOW, 0.001, in_vain=False)
    trail.took(LANE, 42)
    trail.keep()
    trail.begin()
    trail.took(LANE, 50)

    assert trail.start(LANE, NOW) == 50
    trail.begin()  # what took 50 was undone
    assert trail.start(LANE, NOW) == 42


def test_what_is_remembered_of_lanes_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail_module, "MOST_LANES", 10)
    trail = Trail()

    for lane in range(1, 101):
        trail.looked(lane, NOW, 0.001, in_vain=lane % 2 == 0)
        if lane % 2:
            trail.took(lane, 1)
        trail.keep()

    assert 0 < sum(trail.knows(lane) for lane in range(1, 101)) <= 10
    assert len(trail._next_look) == len(trail._may_look) == 10


def test_a_walk_that_is_long_is_made_seldom() -> None:
    trail = Trail()
    trail.looked(LANE, NOW, 2.0, in_vain=False)
    trail.took(LANE, 42)

    assert trail.start(LANE, NOW + 2 * WORTH * 1_000_000 - 1) == 42


def test_a_claim_that_came_out_short_looks_at_the_front_unless_that_was_long_and_in_vain_just_now() -> None:
    trail = Trail()
    assert trail.may_look(LANE)

    trail.looked(LANE, NOW, 2.0, in_vain=True)
    assert not trail.may_look(LANE)

    trail.looked(LANE, NOW, 2.0, in_vain=False)
    assert trail.may_look(LANE)
