"""How definitions look to the world: as they are kept, when they run, how they ran, and what is wrong with one."""

from collections.abc import Sequence
from typing import Any

import msgspec

from quaero.domain.definitions import (
    Definition,
    InvalidDefinition,
    Reading,
    explain,
    from_stored,
    next_fire,
    to_mapping,
    to_toml,
)
from quaero.domain.job import Job
from quaero.domain.status import WORDS
from quaero.domain.tally import progress_text
from quaero.domain.wire import WireProblem, rfc3339, wire_problem
from quaero.domain.wiretree import duration_ms
from quaero.engine.lifecycle.catalogue import FILE, DefinitionRow

NEXT_RUNS = 5


class WireStepDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a definition. `limit` 0: no limit of its own."""

    name: str
    type: str
    description: str
    depends: tuple[str, ...]
    on_error: str
    limit: int
    payload: dict[str, Any]


class WireRun(msgspec.Struct, frozen=True, kw_only=True):
    """One tree a definition made."""

    id: str
    status: str
    progress_text: str
    warnings: int
    created_at: str
    started_at: str | None
    finished_at: str | None
    duration_ms: int | None


class WireDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A definition. `read_only`: it comes from a file, which is where to change it. `problem`: why it cannot run now.

    `schedule_text` is its schedule in words, `next_runs` the next times by it, `last_runs` the newest trees.
    """

    id: str
    name: str
    description: str
    schedule: str
    schedule_text: str
    next_runs: list[str]
    timeout_ms: int
    enabled: bool
    auto_start: bool
    tags: tuple[str, ...]
    steps: list[WireStepDefinition]
    source: str
    read_only: bool
    problem: str | None
    updated_at: str
    last_runs: list[WireRun]


class WireDefinitionDetail(WireDefinition, frozen=True, kw_only=True):
    """A definition with its text: as a mapping, and as the TOML file it would be."""

    definition: dict[str, Any]
    toml: str


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a definition, and what it would be. `unrunnable`: valid, but nobody knows one of its kinds."""

    valid: bool
    problems: list[WireProblem]
    unrunnable: str | None
    schedule_text: str
    next_runs: list[str]
    definition: dict[str, Any] | None
    toml: str | None


def next_runs(schedule: str, now: int, n: int = NEXT_RUNS) -> list[str]:
    """The next times a schedule fires, none without one."""
    found: list[str] = []
    while schedule and len(found) < n:
        now = next_fire(schedule, now)
        found.append(rfc3339(now))
    return found


def wire_run(root: Job, now: int) -> WireRun:
    """One tree a definition made."""
    return WireRun(
        id=str(root.id),
        status=WORDS[root.status],
        progress_text=progress_text(root.shown_tally),
        warnings=root.warnings,
        created_at=rfc3339(root.created_at),
        started_at=rfc3339(root.started_at) if root.started_at else None,
        finished_at=rfc3339(root.finished_at) if root.is_terminal else None,
        duration_ms=duration_ms(root, now),
    )


def _fields(row: DefinitionRow, definition: Definition | None, problem: str | None, now: int) -> dict[str, Any]:
    schedule = row.schedule if definition is not None and row.enabled else ""
    steps = definition.steps if definition is not None else ()
    return {
        "id": row.id,
        "name": row.name,
        "description": definition.description if definition is not None else "",
        "schedule": row.schedule,
        "schedule_text": explain(row.schedule) if definition is not None else "",
        "next_runs": next_runs(schedule, now),
        "timeout_ms": definition.timeout // 1_000 if definition is not None else 0,
        "enabled": bool(row.enabled),
        "auto_start": definition is not None and definition.auto_start,
        "tags": definition.tags if definition is not None else (),
        "steps": [
            WireStepDefinition(
                name=step.name,
                type=step.kind,
                description=step.description,
                depends=step.depends,
                on_error=step.on_error.value,
                limit=step.limit,
                payload=step.payload,
            )
            for step in steps
        ],
        "source": row.source,
        "read_only": row.source == FILE,
        "problem": problem,
        "updated_at": rfc3339(row.updated_at),
    }


def _read(row: DefinitionRow) -> tuple[Definition | None, str | None]:
    """A kept definition, and why it cannot run; one that this version no longer accepts says so."""
    try:
        return from_stored(row.body.encode()), row.problem
    except InvalidDefinition as error:
        return None, str(error)


def wire_definition(row: DefinitionRow, runs: Sequence[Job], now: int) -> WireDefinition:
    """A definition in a list."""
    return WireDefinition(**_fields(row, *_read(row), now), last_runs=[wire_run(run, now) for run in runs])


def wire_detail(row: DefinitionRow, runs: Sequence[Job], now: int) -> WireDefinitionDetail:
    """A definition by itself."""
    definition, problem = _read(row)
    return WireDefinitionDetail(
        **_fields(row, definition, problem, now),
        last_runs=[wire_run(run, now) for run in runs],
        definition=to_mapping(definition) if definition is not None else msgspec.json.decode(row.body),
        toml=to_toml(definition) if definition is not None else "",
    )


def validation(reading: Reading, unrunnable: str | None, now: int) -> Validation:
    """What reading a definition found."""
    definition = reading.definition
    return Validation(
        valid=definition is not None,
        problems=[wire_problem(problem) for problem in reading.problems],
        unrunnable=unrunnable,
        schedule_text=explain(definition.schedule) if definition is not None else "",
        next_runs=next_runs(definition.schedule, now) if definition is not None else [],
        definition=to_mapping(definition) if definition is not None else None,
        toml=to_toml(definition) if definition is not None else None,
    )
