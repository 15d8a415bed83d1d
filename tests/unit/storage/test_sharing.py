"""Dividing a claim: no limit is passed, and nothing is held back that could be given."""

from hypothesis import given
from hypothesis import strategies as st

from quaero.storage.sharing import Lane, Share, share_out


@st.composite
def lanes(draw: st.DrawFn) -> list[Lane]:
    limits = {key: (draw(st.integers(1, 5)), draw(st.sampled_from([0, 1]))) for key in (1, 2)}
    steps = {key: draw(st.integers(1, 5)) for key in (8, 9)}
    found: list[Lane] = []
    for lane_id in range(draw(st.integers(1, 6))):
        limit = draw(st.sampled_from([None, 1, 2]))
        step = draw(st.sampled_from([None, 8, 9]))
        free, apart = limits[limit] if limit is not None else (None, 0)
        found.append(
            (
                lane_id,
                0,
                draw(st.integers(1, 6)),
                limit,
                free,
                apart,
                step,
                steps[step] if step else None,
                draw(st.integers(1, 3)),
                0,
            )
        )
    return found


@given(lanes(), st.integers(1, 12))
def test_sharing_out_never_passes_a_limit_and_leaves_nothing_it_could_give(found: list[Lane], n: int) -> None:
    shares: list[Share] = []

    left = share_out(found, n, {}, shares)

    given_out = {share.lane: share.taken for share in shares}
    assert sum(given_out.values()) == n - left
    used: dict[int, int] = {}
    for lane_id, _, n_ready, limit, _, _, step, *_ in found:
        assert given_out.get(lane_id, 0) <= n_ready
        for key in (limit, step):
            if key is not None:
                used[key] = used.get(key, 0) + given_out.get(lane_id, 0)
    for _, _, _, limit, free, apart, step, step_free, *_ in found:
        if limit is not None:
            assert used[limit] <= (min(free or 0, 1) if apart else free or 0)
        if step is not None:
            assert used[step] <= (step_free or 0)
    if left:
        for lane_id, _, n_ready, limit, free, apart, step, step_free, *_ in found:
            full = given_out.get(lane_id, 0) == n_ready
            full = full or (limit is not None and used[limit] == (min(free or 0, 1) if apart else free))
            assert full or (step is not None and used[step] == step_free)
