"""When a claim goes on where the last one ended, and when it begins at the front."""

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
