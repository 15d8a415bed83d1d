"""Neighbouring children of a job, as a request names them: `8..15` are those from one id to another, in order.

That is what a selection on a map is. It costs the same however many there are, and means the same tomorrow.
"""

from quaero.domain.errors import InvalidInput
from quaero.domain.wire import parse_id

BETWEEN = ".."


def parse_children(text: str | None) -> tuple[int, int] | None:
    """The first and the last id; None without a text. Raises InvalidInput."""
    if text is None:
        return None
    first, _, last = text.partition(BETWEEN)
    ids = parse_id(first), parse_id(last)
    if ids[0] is None or ids[1] is None or ids[0] > ids[1]:
        raise InvalidInput(f"children is {text[:60]!r}: write the first and the last id like 8{BETWEEN}15")
    return ids[0], ids[1]
