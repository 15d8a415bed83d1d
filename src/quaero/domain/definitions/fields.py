"""The typed fields of one table. A bad value is noted as a problem and answered with the default: reading goes on."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar

from quaero.domain.definitions.problems import Problems
from quaero.domain.durations import parse_duration
from quaero.domain.suggest import did_you_mean

Choice = TypeVar("Choice", bound=StrEnum)


class Table:
    """A table of a definition at a key path."""

    def __init__(self, values: Mapping[str, Any], path: tuple[str, ...], problems: Problems) -> None:
        self.values = values
        self.path = path
        self.problems = problems

    def wrong(self, name: str, reason: str, remedy: str = "") -> None:
        """Note a problem with one key."""
        self.problems.add([*self.path, name], reason, remedy)

    def only(self, known: Iterable[str]) -> None:
        """Note every key that is not known."""
        for name in self.values.keys() - set(known):
            self.wrong(name, "this key is unknown", did_you_mean(name, known))

    def text(self, name: str, default: str = "") -> str:
        """Text."""
        value = self._get(name, default)
        if isinstance(value, str):
            return value.strip()
        self.wrong(name, f"{value!r} is not text", f'write {name} = "..."')
        return default

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self._get(name, default)
        if isinstance(value, bool):
            return value
        self.wrong(name, f"{value!r} is neither true nor false", f"write {name} = true or {name} = false, unquoted")
        return default

    def number(self, name: str, default: int = 0) -> int:
        """A whole number, 0 or more."""
        value = self._get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self.wrong(name, f"{value!r} is not a whole number of 0 or more", f"write {name} = 5, unquoted")
        return default

    def duration(self, name: str) -> int:
        """Microseconds; 0 when absent or empty."""
        value = self._get(name, "")
        if value == "":
            return 0
        if not isinstance(value, str | timedelta):
            self.wrong(name, f"{value!r} has no unit", f'write {name} = "30s", "30m" or "4h"')
            return 0
        return self._checked(name, value, parse_duration, 0)

    def choice(self, name: str, default: Choice) -> Choice:
        """One word of a closed set."""
        value = self._get(name, default.value)
        words = [word.value for word in type(default)]
        if value in words:
            return type(default)(value)
        hint = did_you_mean(value, words) if isinstance(value, str) else ""
        self.wrong(name, f"{value!r} is unknown", hint or f"valid are {', '.join(sorted(words))}")
        return default

    def names(self, name: str) -> tuple[str, ...]:
        """A comma list or an array of text, without repeats."""
        value = self._get(name, [])
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
            self.wrong(name, f"{value!r} is not a list of names", f'write {name} = ["a", "b"] or "a, b"')
            return ()
        return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))

    def _get(self, name: str, default: Any) -> Any:
        value = self.values.get(name)
        return default if value is None else value

    def _checked(self, name: str, value: Any, read: Callable[[Any], int], default: int) -> int:
        try:
            return read(value)
        except ValueError as error:
            self.wrong(name, str(error))
            return default
