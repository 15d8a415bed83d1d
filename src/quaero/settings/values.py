"""One value of one setting: from what a person wrote to what the program uses, and back.

Files give typed values, the environment and flags give text; both end as the same number, word or list. Every
failure is a ValueError that says what would be right.
"""

import ipaddress
from typing import Any

import msgspec

from quaero.domain.durations import parse_duration
from quaero.domain.entries import parse_level
from quaero.domain.units import parse_size, spell_duration, spell_size


class Field:
    """One setting: where it stands, its type, and the form people write it in."""

    def __init__(self, section: str, info: msgspec.structs.FieldInfo) -> None:
        self.section = section
        self.name = info.name
        self.type = info.type
        self.default = info.default_factory() if info.default is msgspec.NODEFAULT else info.default
        (self.meta,) = (note for note in info.type.__metadata__ if isinstance(note, msgspec.Meta))
        self.form: str = (self.meta.extra or {}).get("form", "plain")

    @property
    def key(self) -> str:
        """Its name in files and messages, e.g. `queue.lease`."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """Its name in the environment, e.g. `QUAERO_QUEUE_LEASE`."""
        return f"QUAERO_{self.section}_{self.name}".upper()

    @property
    def meaning(self) -> str:
        """One line for people."""
        return self.meta.description or ""

    def read(self, raw: Any, *, is_text: bool = False) -> Any:
        """The value `raw` stands for. Raises ValueError."""
        if is_text and isinstance(raw, str) and not isinstance(self.default, str):
            raw = _from_text(raw, self.default)
        elif isinstance(self.default, list) and isinstance(raw, tuple):
            raw = list(raw)
        if isinstance(self.default, dict) and isinstance(raw, dict):
            raw = {name: _FORMS[self.form](value) for name, value in raw.items()}
        elif self.form in _FORMS:
            raw = _FORMS[self.form](raw)
        try:
            return msgspec.convert(raw, self.type, strict=not is_text)
        except msgspec.ValidationError as error:
            raise ValueError(self._explained(str(error))) from None

    def spell(self, value: Any) -> str:
        """The value as people write it in a file."""
        if isinstance(value, dict):
            return "{" + ", ".join(f'{name} = "{self._spell_one(one)}"' for name, one in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(f'"{one}"' for one in value) + "]"
        return self._spell_one(value)

    def _spell_one(self, value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        return _SPELLINGS.get(self.form, str)(value)

    def _explained(self, reason: str) -> str:
        """The library's words, with bounds in the unit people write."""
        for bound in (self.meta.ge, self.meta.le):
            if bound is not None and self.form in _SPELLINGS:
                reason = reason.replace(str(bound), _SPELLINGS[self.form](int(bound)))
                reason = reason.replace("`int`", f"a {self.form}")
        return reason.replace("`", "").replace("Expected", "expected")


def fields_of(settings: type[msgspec.Struct]) -> dict[str, Field]:
    """Every setting by its key, in the order in which they are declared."""
    sections = ((info.name, info.type) for info in msgspec.structs.fields(settings))
    found = [
        Field(name, info)
        for name, kind in sections
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        for info in msgspec.structs.fields(kind)
    ]
    return {field.key: field for field in found}


def _from_text(text: str, like: Any) -> Any:
    """A list or table from one line of text: JSON, or `a, b` and `name=1s, other=2s`."""
    if not isinstance(like, list | dict):
        return text
    if text.lstrip()[:1] in {"[", "{"}:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise ValueError(f"neither a comma list nor JSON: {error}") from None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(like, list):
        return parts
    if not all("=" in part for part in parts):
        raise ValueError("write NAME=VALUE, NAME=VALUE or a JSON object")
    return {name.strip(): value.strip() for name, _, value in (part.partition("=") for part in parts)}


def _duration(raw: Any) -> int:
    if not isinstance(raw, str):
        raise ValueError('expected a duration with a unit, like "150ms", "30s" or "4h"')
    return parse_duration(raw)


def _size(raw: Any) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    if not isinstance(raw, str):
        raise ValueError('expected a size, like "64KiB" or "8MiB"')
    return parse_size(raw)


def _level(raw: Any) -> str:
    if not isinstance(raw, str):
        raise ValueError("expected debug, info, warn or error")
    return parse_level(raw).word


def _networks(raw: Any) -> Any:
    if isinstance(raw, list):
        for network in raw:
            ipaddress.ip_network(network)
    return raw


_FORMS = {"duration": _duration, "size": _size, "level": _level, "networks": _networks}
_SPELLINGS = {"duration": spell_duration, "size": spell_size}
