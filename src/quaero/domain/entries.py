"""Journal entries: what a tree records, as its readers see it.

One tree has one journal: entries numbered 1…head without holes. An entry is a log line, a change of status, a note
that children were spawned, or a marker (lines lost, retention). Writers hand entries over without numbers; the store
numbers them when it commits.
"""

from enum import IntEnum
from typing import Any

import msgspec


class Level(IntEnum):
    """Severity of an entry; a filter shows its own level and everything above."""

    DEBUG = 0
    INFO = 1
    WARN = 2
    ERROR = 3

    @property
    def word(self) -> str:
        """The public word, e.g. `warn`."""
        return LEVEL_WORDS[self]


LEVEL_WORDS: tuple[str, ...] = ("debug", "info", "warn", "error")
_ALIASES = {"warning": "warn", "err": "error", "critical": "error", "fatal": "error", "trace": "debug"}


def parse_level(word: str) -> Level:
    """The level a word names; `warning` and `err` are aliases. Raises ValueError for any other word."""
    plain = word.strip().lower()
    plain = _ALIASES.get(plain, plain)
    if plain not in LEVEL_WORDS:
        raise ValueError(f"unknown level {word!r}: use debug, info, warn or error")
    return Level(LEVEL_WORDS.index(plain))


class Originator(IntEnum):
    """Who wrote an entry: the job's own code, a step, or Quaero itself."""

    WORKER = 0
    STEP = 1
    SYSTEM = 2

    @property
    def word(self) -> str:
        """The public word, e.g. `worker`."""
        return self.name.lower()


class Line(msgspec.Struct, array_like=True, frozen=True, gc=False, omit_defaults=True):
    """One captured log line on its way to the journal. `at` is microseconds since the epoch, UTC."""

    at: int
    level: int
    message: str
    fields: dict[str, Any] | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One numbered journal entry as readers get it (times in microseconds since the epoch, UTC)."""

    seq: int
    line_number: int
    at: int
    level: int
    message: str
    job_id: int
    root_id: int
    step_id: int | None = None
    step: str | None = None
    originator: int = Originator.WORKER
    fields: dict[str, Any] | None = None
