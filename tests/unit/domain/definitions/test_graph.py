"""The order of steps."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from quaero.domain.definitions.graph import cycle, order

NAMES = [f"s{number}" for number in range(7)]
GRAPHS = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), unique=True, max_size=3))


def test_a_step_stands_after_all_it_depends_on_and_else_in_the_order_of_the_file() -> None:
    assert order({"d": ["b", "c"], "a": [], "c": ["a"], "b": ["a"]}) == ("a", "c", "b", "d")


def test_steps_without_dependencies_keep_their_order() -> None:
    assert order({"z": [], "a": [], "m": []}) == ("z", "a", "m")


@given(GRAPHS)
def test_every_graph_has_either_an_order_or_a_circle(depends: dict[str, list[str]]) -> None:
    circle = cycle(depends)

    if circle is None:
        steps = order(depends)
        assert sorted(steps) == sorted(depends)
        assert all(steps.index(on) < steps.index(name) for name in steps for on in depends[name] if on in depends)
    else:
        assert circle[0] == circle[-1]
        assert all(on in depends[name] for name, on in pairwise(circle))
