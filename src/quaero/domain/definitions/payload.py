"""A step's payload as plain JSON data: what the store can keep and every handler can read."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from math import isfinite
from typing import Any

import msgspec

from quaero.domain.bounds import KIB, MAX_PAYLOAD
from quaero.domain.definitions.problems import Problems

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1


def plain(value: Any, path: Sequence[str], problems: Problems) -> Any:
    """`value` as JSON data: dates become RFC 3339 text; what JSON or TOML cannot hold is a problem."""
    match value:
        case bool() | str():
            return value
        case int():
            if not MIN_INTEGER <= value <= MAX_INTEGER:
                problems.add(path, f"{value} is beyond 64 bits", "write it as text")
                return 0
            return value
        case float():
            if not isfinite(value):
                problems.add(path, f"{value} is not a JSON number", "write a finite number")
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping():
            return {str(name): plain(one, [*path, str(name)], problems) for name, one in value.items()}
        case list() | tuple():
            return [plain(one, path, problems) for one in value]
        case None:
            problems.add(path, "there is no empty value in TOML", "leave the key out")
        case _:
            problems.add(path, f"a {type(value).__name__} cannot be written down", "use text, numbers, lists, tables")
    return None


def check_size(payload: Mapping[str, Any], path: Sequence[str], problems: Problems) -> None:
    """Add a problem if the payload is over the fixed limit."""
    size = len(msgspec.json.encode(payload))
    if size > MAX_PAYLOAD:
        problems.add(path, f"the payload has {size} bytes", f"at most {MAX_PAYLOAD // KIB} KiB are kept with a job")
