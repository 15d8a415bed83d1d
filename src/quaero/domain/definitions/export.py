"""A definition as a mapping and as TOML text; read again, both give the same definition."""

import json
import re
from collections.abc import Mapping
from typing import Any

from quaero.domain.definitions.model import Definition, OnError, StepDefinition
from quaero.domain.units import spell_duration

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def to_mapping(definition: Definition) -> dict[str, Any]:
    """The definition in the shape of its file: plain JSON data, durations spelled, defaults of the head included."""
    head: dict[str, Any] = {
        "id": definition.id,
        "name": definition.name,
        "description": definition.description,
        "schedule": definition.schedule,
        "timeout": spell_duration(definition.timeout) if definition.timeout else "",
        "enabled": definition.enabled,
        "auto_start": definition.auto_start,
        "tags": list(definition.tags),
        "step": {step.name: _step(step) for step in definition.steps},
    }
    if (tolerance := definition.error_tolerance) is not None:
        head["error_tolerance"] = {
            "max_child_failures": tolerance.max_child_failures,
            "failure_action": tolerance.failure_action.value,
        }
    return head


def to_toml(definition: Definition) -> str:
    """The text of its file."""
    mapping = to_mapping(definition)
    steps, tolerance = mapping.pop("step"), mapping.pop("error_tolerance", None)
    tables = [_table(None, mapping)]
    tables += [_table(f"step.{_key(name)}", step) for name, step in steps.items()]
    if tolerance:
        tables.append(_table("error_tolerance", tolerance))
    return "\n".join(tables)


def _step(step: StepDefinition) -> dict[str, Any]:
    own: dict[str, Any] = {"type": step.kind}
    if step.description:
        own["description"] = step.description
    if step.on_error is not OnError.FAIL:
        own["on_error"] = step.on_error.value
    if step.depends:
        own["depends"] = list(step.depends)
    if step.limit:
        own["limit"] = step.limit
    return own | step.payload


def _table(header: str | None, values: Mapping[str, Any]) -> str:
    lines = [f"[{header}]"] if header else []
    lines += [f"{_key(name)} = {_value(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _string(name)


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _string(value)
        case list():
            return "[" + ", ".join(map(_value, value)) + "]"
        case dict():
            inside = ", ".join(f"{_key(name)} = {_value(one)}" for name, one in value.items())
            return f"{{{inside}}}"
        case _:
            return repr(value)


def _string(text: str) -> str:
    """A TOML basic string: JSON's, but for the one character JSON leaves bare and TOML forbids."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
