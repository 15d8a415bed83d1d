"""What is wrong with a definition: every problem at once, each with its place, the reason and the remedy."""

import re
from collections.abc import Iterable, Sequence

import msgspec

from quaero.domain.errors import InvalidInput

_HEADER = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?")
_KEY = re.compile(r"""\s*(["']?)([\w.-]+)\1\s*=""")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or looks it. A hint does not make the definition invalid.

    `key` is the path in the file (`step.crawl.on_error`), empty for the file as a whole; `line` counts from 1.
    """

    key: str
    reason: str
    remedy: str = ""
    file: str | None = None
    line: int | None = None
    is_hint: bool = False

    def __str__(self) -> str:
        """One line: `news.toml:12: step.crawl.on_error: "stop" is unknown; use continue, fail or retry`."""
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        where = ": ".join(part for part in (place, self.key) if part)
        what = "; ".join(part for part in (self.reason, self.remedy) if part)
        return f"{where}: {what}" if where else what


class InvalidDefinition(InvalidInput):
    """A definition cannot be used. `problems` has all the reasons."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problem for problem in problems if not problem.is_hint)
        super().__init__(" | ".join(map(str, self.problems)))


class Problems:
    """Collects problems while one definition is read."""

    def __init__(self, file: str | None = None, text: str | None = None) -> None:
        self.file = file
        self.found: list[Problem] = []
        self._lines = _lines_of_keys(text) if text is not None else {}

    def add(self, path: Sequence[str], reason: str, remedy: str = "", *, is_hint: bool = False) -> None:
        """Note a problem at a key path; the line is that of the key, else of the table it should stand in."""
        self.found.append(
            Problem(
                key=".".join(path),
                reason=reason,
                remedy=remedy,
                file=self.file,
                line=self._line_of(tuple(path)),
                is_hint=is_hint,
            )
        )

    @property
    def are_fatal(self) -> bool:
        """Whether one of them makes the definition invalid."""
        return any(not problem.is_hint for problem in self.found)

    def _line_of(self, path: tuple[str, ...]) -> int | None:
        while path:
            if line := self._lines.get(path):
                return line
            path = path[:-1]
        return None


def _lines_of_keys(text: str) -> dict[tuple[str, ...], int]:
    """Where each plainly written table and key stands. Good enough to point at, not a parser."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line):
            table = tuple(part.strip(" \"'") for part in header[1].split("."))
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *key[2].split(".")), number)
    return lines
