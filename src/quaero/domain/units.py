"""Durations and sizes spelled exactly: what is written here, read again, is the same number.

`domain/durations.py` reads durations and rounds them for people; this module is for files and settings, which must
survive a round trip. Sizes are bytes, with binary units: `"64KiB"`, `"8MiB"`.
"""

import re

_DURATION_UNITS = (
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
)
_SIZE_UNITS = {"b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 1_000, "mb": 10**6, "gb": 10**9}
_SIZE_FORM = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)?\s*", re.IGNORECASE)


def spell_duration(micros: int) -> str:
    """The shortest exact spelling of a duration in microseconds: `30d`, `90s`, `150ms`, `0s`."""
    if micros == 0:
        return "0s"
    unit, size = next((unit, size) for unit, size in _DURATION_UNITS if micros % size == 0)
    return f"{micros // size}{unit}"


def parse_size(text: str) -> int:
    """Bytes of a size such as `"64KiB"`, `"8MiB"` or `"512"`. Raises ValueError saying what would be right."""
    form = _SIZE_FORM.fullmatch(text)
    unit = _SIZE_UNITS.get((form[2] or "b").lower()) if form else None
    if form is None or unit is None:
        raise ValueError(f'{text!r} is not a size: write a number and a unit, like "64KiB" or "8MiB"')
    return round(float(form[1]) * unit)


def spell_size(size: int) -> str:
    """The shortest exact spelling of a number of bytes: `512MiB`, `64KiB`, `1000B`."""
    for unit in ("GiB", "MiB", "KiB"):
        step = _SIZE_UNITS[unit.lower()]
        if size and size % step == 0:
            return f"{size // step}{unit}"
    return f"{size}B"
