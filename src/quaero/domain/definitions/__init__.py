"""Definitions: named steps with their dependencies, written in TOML or as a mapping of the same shape.

    text ──read/parse──> Definition ──with_overrides──> Definition ──(engine)──> tree
                             └──to_toml/to_mapping──> text

Pure values: whether a kind exists, and what running means, is known elsewhere.
"""

from quaero.domain.definitions.directory import Loaded, load_dir
from quaero.domain.definitions.export import to_mapping, to_toml
from quaero.domain.definitions.graph import order
from quaero.domain.definitions.model import Definition, ErrorTolerance, FailureAction, OnError, StepDefinition
from quaero.domain.definitions.overrides import with_overrides
from quaero.domain.definitions.problems import InvalidDefinition, Problem
from quaero.domain.definitions.reading import Reading, parse, read
from quaero.domain.definitions.schedule import explain, next_fire
from quaero.domain.definitions.stored import from_stored, to_stored

__all__ = [
    "Definition",
    "ErrorTolerance",
    "FailureAction",
    "InvalidDefinition",
    "Loaded",
    "OnError",
    "Problem",
    "Reading",
    "StepDefinition",
    "explain",
    "from_stored",
    "load_dir",
    "next_fire",
    "order",
    "parse",
    "read",
    "to_mapping",
    "to_stored",
    "to_toml",
    "with_overrides",
]
