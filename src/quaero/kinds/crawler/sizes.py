"""Sizes as people write them: `"8MiB"`, `"500 kB"`. Inside: integer bytes."""

import re

_UNITS = {
    "b": 1, "kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
}  # fmt: skip
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]i?b|b)", re.IGNORECASE)


def parse_size(text: str | int) -> int:
    """Bytes of `"8MiB"`, or the number itself. Raises ValueError saying what would be right."""
    if isinstance(text, int):
        return text
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'{text!r} is not a size: write a number and a unit, like "512KiB" or "8MiB"')
    return round(float(match[1]) * _UNITS[match[2].lower()])


def format_size(count: int) -> str:
    """The common spelling: `812 B`, `14.2 KB`, `3.1 MB`."""
    if count < 1_000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1_000:.1f} KB"
    return f"{count / 1_000_000:.1f} MB"
