"""Durations as people write them: a number and a unit, `"150ms"`, `"30s"`, `"4h"`. Inside: integer microseconds."""

import re
from datetime import timedelta

_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_FORM = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)")


def parse_duration(text: str | timedelta) -> int:
    """Microseconds of a duration such as `"1h30m"` or of a timedelta. Raises ValueError saying what would be right."""
    if isinstance(text, timedelta):
        micros = round(text.total_seconds() * 1_000_000)
        if micros < 0:
            raise ValueError(f"a duration cannot be negative: {text!r}")
        return micros
    compact = text.replace(" ", "")
    parts = _FORM.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f'{text!r} is not a duration: write a number and a unit, like "150ms", "30s" or "4h"')
    return round(sum(float(number) * _UNITS[unit] for number, unit in parts))


def format_duration(micros: int) -> str:
    """The shortest common spelling: `150ms`, `1.5s`, `30m`, `2h05m`."""
    if micros < 1_000:
        return f"{micros}us"
    if micros < 1_000_000:
        return f"{micros // 1_000}ms"
    seconds = micros / 1_000_000
    if round(seconds, 1) < 60:
        return f"{seconds:.1f}s".replace(".0s", "s")
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s" if rest else f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if minutes else f"{hours}h"
