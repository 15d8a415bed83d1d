"""Text that came from jobs, made safe to print: it cannot move the cursor, forge a line or talk to the terminal.

What survives: printable text, tabs, and on a terminal the SGR sequences that set colours and weight. What goes: every
other escape sequence with its content, C0 and C1 controls, carriage returns, and the characters that reorder text.
"""

import re

_SEQUENCE = re.compile(
    r"(?P<csi>(?:\x1b\[|\x9b)(?P<args>[0-?]*)(?P<between>[ -/]*)(?P<final>[@-~]))"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC: titles, links, clipboard
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]+[0-~]"  # character sets and the like
    r"|\x1b[0-Z\\^-~]?"  # the rest of the escapes; a lone or broken one loses its escape character
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # controls, but for tab and line feed
    r"|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff]"  # direction and line separators
)
_PLAIN_SGR = frozenset(
    {0, 1, 2, 3, 4, 22, 23, 24, 39, 49, *range(30, 38), *range(40, 48), *range(90, 98), *range(100, 108)}
)
_MOST_ARGS = 16
_PASSWORD = re.compile(r"(?<=://)([^:@/]*):[^@]*(?=@)|(?<=[?&])(password)=[^&\s]*")
RESET = "\x1b[0m"


def without_password(text: str) -> str:
    """The text with `•••` for the password of a URL in it."""
    return _PASSWORD.sub(lambda found: f"{found[2]}=•••" if found[2] else f"{found[1]}:•••", text)


def clean(text: str, *, colours: bool = False) -> str:
    """The text without anything a terminal would obey; with `colours`, SGR colours stay and are reset at the end."""
    if text.isprintable():
        return text
    kept = False

    def replace(match: re.Match[str]) -> str:
        nonlocal kept
        if colours and match["csi"] and match["final"] == "m" and not match["between"]:
            sequence = _sgr(match["args"])
            kept = kept or bool(sequence)
            return sequence
        return ""

    cleaned = _SEQUENCE.sub(replace, text)
    return cleaned + RESET if kept else cleaned


def _sgr(args: str) -> str:
    """The part of an SGR sequence that only sets colour or weight, empty if none does."""
    numbers = [int(part) if part.isdecimal() and len(part) < 4 else 0 if not part else -1 for part in args.split(";")]
    kept: list[str] = []
    position = 0
    while position < len(numbers) and len(kept) < _MOST_ARGS:
        width = _width_of_colour(numbers[position : position + 5])
        group = numbers[position : position + width]
        if width > 1 or group[0] in _PLAIN_SGR:
            kept.append(";".join(map(str, group)))
        position += width
    return f"\x1b[{';'.join(kept)}m" if kept else ""


def _width_of_colour(numbers: list[int]) -> int:
    """How many numbers the colour at the front takes: 38;5;N and 38;2;R;G;B (48 alike); 1 for anything else."""
    if numbers[0] not in (38, 48) or len(numbers) < 3:
        return 1
    width = {5: 3, 2: 5}.get(numbers[1], 1)
    return width if len(numbers) >= width and all(0 <= number < 256 for number in numbers[2:width]) else 1


def one_line(text: str, limit: int = 0, *, colours: bool = False) -> str:
    """Clean text on one line: line feeds and tabs become spaces; cut at `limit` characters (0: not at all)."""
    flat = clean(text, colours=colours).replace("\n", " ").replace("\t", " ")
    return flat if not limit or len(flat) <= limit else flat[: limit - 1] + "…"
