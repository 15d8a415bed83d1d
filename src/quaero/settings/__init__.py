"""What can be set: the settings themselves (`Settings`), reading them (`load`), and showing them (`describe`).

Nothing here is read twice: a program loads its settings once, at its start, and hands them down.
"""

from collections.abc import Iterator
from typing import NamedTuple

from quaero.settings.loading import FIELDS, load
from quaero.settings.sections import (
    Auth,
    Command,
    Crawler,
    Jobs,
    Logs,
    Queue,
    Server,
    Settings,
    StoreSection,
    WebSocket,
)


class Described(NamedTuple):
    """A setting as people see it; `source` is `default` or where the value was written."""

    key: str
    value: str
    default: str
    variable: str
    source: str
    meaning: str


def describe(settings: Settings) -> Iterator[Described]:
    """Every setting with its value, default, origin and meaning, in the order of the reference page."""
    for key, field in FIELDS.items():
        value = getattr(getattr(settings, field.section), field.name)
        source = settings.sources.get(key, "default")
        yield Described(key, field.spell(value), field.spell(field.default), field.variable, source, field.meaning)


__all__ = [
    "Auth",
    "Command",
    "Crawler",
    "Described",
    "Jobs",
    "Logs",
    "Queue",
    "Server",
    "Settings",
    "StoreSection",
    "WebSocket",
    "describe",
    "load",
]
