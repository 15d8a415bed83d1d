"""Read a definition from TOML text or a mapping of the same shape. All problems are collected; none ends the reading.

In a step only the keys of `STEP_KEYS` are ours, everything else is its payload. So a misspelt `depend` cannot be an
error, it might be meant: it is a hint.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Any, NamedTuple

from quaero.domain.definitions import graph, schedule
from quaero.domain.definitions.export import to_mapping
from quaero.domain.definitions.fields import Table
from quaero.domain.definitions.model import Definition, ErrorTolerance, FailureAction, OnError, StepDefinition
from quaero.domain.definitions.payload import check_size, plain
from quaero.domain.definitions.problems import InvalidDefinition, Problem, Problems
from quaero.domain.suggest import did_you_mean, nearest

HEAD_KEYS = (
    "id",
    "name",
    "description",
    "schedule",
    "timeout",
    "enabled",
    "auto_start",
    "tags",
    "step",
    "error_tolerance",
)
STEP_KEYS = ("type", "description", "on_error", "depends", "limit", "concurrency")
TOLERANCE_KEYS = ("max_child_failures", "failure_action")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_STEP_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")


class Reading(NamedTuple):
    """What reading gave: the definition, unless a problem forbids it, and all problems and hints."""

    definition: Definition | None
    problems: tuple[Problem, ...]


def read(source: str | Mapping[str, Any] | Definition, file: str | None = None) -> Reading:
    """Read a definition and say everything that is wrong with it. `file` is only named in problems. Never raises."""
    problems = Problems(file, source if isinstance(source, str) else None)
    mapping = _mapping(source, problems)
    definition = _definition(mapping, problems) if mapping is not None else None
    return Reading(None if problems.are_fatal else definition, tuple(problems.found))


def parse(source: str | Mapping[str, Any] | Definition, file: str | None = None) -> Definition:
    """The definition a text or mapping describes. Raises InvalidDefinition with all problems."""
    definition, problems = read(source, file)
    if definition is None:
        raise InvalidDefinition(problems)
    return definition


def _mapping(source: object, problems: Problems) -> Mapping[str, Any] | None:
    if isinstance(source, Definition):
        return to_mapping(source)
    if isinstance(source, Mapping):
        return source
    if not isinstance(source, str):
        problems.add([], f"a {type(source).__name__} is no definition", "write TOML text, or a table of the same shape")
        return None
    try:
        return tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        problems.add([], f"this is not valid TOML: {error}")
        return None


def _definition(mapping: Mapping[str, Any], problems: Problems) -> Definition:
    head = Table(mapping, (), problems)
    head.only(HEAD_KEYS)
    return Definition(
        id=_id(head),
        name=head.text("name") or head.text("id"),
        description=head.text("description"),
        schedule=_schedule(head),
        timeout=head.duration("timeout"),
        enabled=head.flag("enabled", default=True),
        auto_start=head.flag("auto_start", default=False),
        tags=head.names("tags"),
        steps=_steps(head),
        error_tolerance=_tolerance(head),
    )


def _id(head: Table) -> str:
    text = head.text("id")
    if not text:
        head.wrong("id", "a definition needs an id", 'write id = "news-crawler"')
    elif not _ID.fullmatch(text):
        head.wrong("id", f"{text!r} cannot be an id", "use up to 100 letters, digits, dots, - and _")
    return text


def _schedule(head: Table) -> str:
    text = head.text("schedule")
    if text:
        try:
            schedule.check(text)
        except ValueError as error:
            head.wrong("schedule", str(error))
    return text


def _tolerance(head: Table) -> ErrorTolerance | None:
    values = head.values.get("error_tolerance")
    if values is None:
        return None
    if not isinstance(values, Mapping):
        head.wrong("error_tolerance", f"{values!r} is not a table", "write [error_tolerance]")
        return None
    table = Table(values, ("error_tolerance",), head.problems)
    table.only(TOLERANCE_KEYS)
    return ErrorTolerance(
        max_child_failures=table.number("max_child_failures"),
        failure_action=table.choice("failure_action", FailureAction.CONTINUE),
    )


def _steps(head: Table) -> tuple[StepDefinition, ...]:
    tables = head.values.get("step")
    if not isinstance(tables, Mapping) or not tables:
        head.wrong("step", "a definition needs a step", 'write [step.NAME] and below it type = "KIND"')
        return ()
    steps = tuple(_step(str(name), values, head.problems) for name, values in tables.items())
    _check_names(steps, head.problems)
    _check_depends(steps, head.problems)
    return steps


def _step(name: str, values: Any, problems: Problems) -> StepDefinition:
    path = ("step", name)
    if not isinstance(values, Mapping):
        problems.add(path, f"{values!r} is not a table", f"write [step.{name}]")
        return StepDefinition(name=name, kind="")
    table = Table(values, path, problems)
    return StepDefinition(
        name=name,
        kind=_kind(table),
        description=table.text("description"),
        on_error=table.choice("on_error", OnError.FAIL),
        depends=table.names("depends"),
        limit=_limit(table),
        payload=_payload(table),
    )


def _kind(table: Table) -> str:
    kind = table.text("type")
    if not kind:
        table.wrong("type", "a step needs a type", 'name the kind of its job: type = "crawler"')
    return kind


def _limit(table: Table) -> int:
    limit, alias = table.number("limit"), table.number("concurrency")
    if limit and alias and limit != alias:
        table.wrong("concurrency", f"it is another word for limit, which is {limit}", "keep one of the two")
    return limit or alias


def _payload(table: Table) -> dict[str, Any]:
    payload = {
        str(name): plain(value, [*table.path, str(name)], table.problems)
        for name, value in table.values.items()
        if name not in STEP_KEYS
    }
    for name in payload:
        if near := nearest(name, STEP_KEYS, alike=0.82):
            remedy = f"if you mean {near!r}, write that; if not, all is well"
            table.problems.add([*table.path, name], "this key goes to the job's payload", remedy, is_hint=True)
    check_size(payload, table.path, table.problems)
    return payload


def _check_names(steps: tuple[StepDefinition, ...], problems: Problems) -> None:
    seen: dict[str, str] = {}
    for step in steps:
        if not _STEP_NAME.fullmatch(step.name):
            problems.add(["step", step.name], "this cannot be a step's name", "use up to 100 letters, digits, - and _")
        other = seen.setdefault(step.name.lower(), step.name)
        if other != step.name:
            problems.add(["step", step.name], f"it differs from {other!r} only in case", "give it another name")


def _check_depends(steps: tuple[StepDefinition, ...], problems: Problems) -> None:
    names = [step.name for step in steps]
    for step in steps:
        for on in step.depends:
            if on not in names:
                others = [name for name in names if name != step.name]
                remedy = did_you_mean(on, others) if others else "there is no other step"
                problems.add(["step", step.name, "depends"], f"there is no step {on!r}", remedy)
    if circle := graph.cycle({step.name: step.depends for step in steps}):
        told = " → ".join(circle)
        problems.add(["step", circle[0], "depends"], f"steps wait for each other: {told}", "take one depends away")
