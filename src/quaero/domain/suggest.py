"""The nearest valid name, for messages about misspelt ones."""

import difflib
from collections.abc import Iterable


def nearest(name: str, valid: Iterable[str], *, alike: float = 0.6) -> str | None:
    """The valid name most like `name`, or None when none is at least so alike (0 … 1)."""
    found = difflib.get_close_matches(name.lower(), list(valid), n=1, cutoff=alike)
    return found[0] if found else None


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """What to say after "unknown NAME": the nearest valid name, or all of them when none is near."""
    names = sorted(valid)
    near = nearest(name, names)
    return f"did you mean {near!r}?" if near else f"valid are {', '.join(names)}"
