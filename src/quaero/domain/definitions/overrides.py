"""Change a definition for one execution: `{"name": "Trial", "step": {"crawl": {"max_pages": 5}}}`.

Tables are merged key by key, at any depth; anything else replaces what stood there. Steps can be changed but neither
added nor renamed, and the id stays: it would be another definition.
"""

from collections.abc import Mapping
from typing import Any

from quaero.domain.definitions.export import to_mapping
from quaero.domain.definitions.model import Definition
from quaero.domain.definitions.problems import InvalidDefinition, Problems
from quaero.domain.definitions.reading import parse
from quaero.domain.suggest import did_you_mean


def with_overrides(definition: Definition, overrides: Mapping[str, Any]) -> Definition:
    """The definition with these changes. Raises InvalidDefinition if they name no step, change the id or are wrong."""
    if not overrides:
        return definition
    problems = Problems("overrides")
    _check(definition, overrides, problems)
    if problems.are_fatal:
        raise InvalidDefinition(problems.found)
    return parse(_merged(to_mapping(definition), _without_aliases(overrides)), file="overrides")


def _check(definition: Definition, overrides: Mapping[str, Any], problems: Problems) -> None:
    if overrides.get("id", definition.id) != definition.id:
        problems.add(["id"], "the id of a definition cannot be overridden", "override its name instead")
    names = [step.name for step in definition.steps]
    steps = overrides.get("step", {})
    if not isinstance(steps, Mapping):
        problems.add(["step"], f"{steps!r} is not a table", 'write {"step": {"NAME": {...}}}')
        return
    for name in steps.keys() - set(names):
        problems.add(["step", name], f"there is no step {name!r}", did_you_mean(name, names))


def _without_aliases(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The same with `concurrency` spelled `limit`, so that it replaces the definition's own."""
    steps = {
        name: {"limit" if key == "concurrency" else key: value for key, value in step.items()}
        if isinstance(step, Mapping)
        else step
        for name, step in overrides.get("step", {}).items()
    }
    return {**overrides, "step": steps}


def _merged(base: Any, change: Any) -> Any:
    if not (isinstance(base, Mapping) and isinstance(change, Mapping)):
        return change
    return {**base, **{name: _merged(base.get(name), value) for name, value in change.items()}}
