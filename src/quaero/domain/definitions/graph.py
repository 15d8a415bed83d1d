"""Which step comes after which."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter


def order(depends: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The names so that each stands after all it depends on; otherwise in the order given.

    Raises graphlib.CycleError. Names that are only depended on are left out.
    """
    place = {name: index for index, name in enumerate(depends)}
    sorter = TopologicalSorter({name: [on for on in ons if on in place] for name, ons in depends.items()})
    sorter.prepare()
    done: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=place.__getitem__)
        first, *ready = ready
        done.append(first)
        sorter.done(first)
    return tuple(done)


def cycle(depends: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """One circle of dependencies, `(a, b, a)` for "a depends on b, b on a"; None when there is none."""
    try:
        order(depends)
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return None
