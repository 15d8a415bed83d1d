"""Definitions from a directory of `*.toml` files: the one place in the domain that reads files.

A file that is wrong is told and left out; the others load. No directory is the same as an empty one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from quaero.domain.definitions.model import Definition
from quaero.domain.definitions.problems import Problem
from quaero.domain.definitions.reading import Reading, read


class Loaded(NamedTuple):
    """What a directory gave: definitions by file name, and the problems and hints of all files."""

    definitions: tuple[Definition, ...]
    problems: tuple[Problem, ...]


def load_dir(path: str | Path) -> Loaded:
    """Read every `*.toml` below `path`, in order of name. Never raises for what is in the files."""
    definitions: dict[str, Definition] = {}
    first_in: dict[str, str] = {}
    problems: list[Problem] = []
    for name, reading in _readings(Path(path)):
        problems += reading.problems
        if (definition := reading.definition) is None:
            continue
        if definition.id in definitions:
            reason = f"the id {definition.id!r} is taken by {first_in[definition.id]}"
            problems.append(Problem(key="id", reason=reason, remedy="give one of them another id", file=name))
            continue
        definitions[definition.id], first_in[definition.id] = definition, name
    return Loaded(tuple(definitions.values()), tuple(problems))


def _readings(directory: Path) -> Iterator[tuple[str, Reading]]:
    for file in sorted(directory.glob("*.toml")):
        try:
            yield file.name, read(file.read_text(encoding="utf-8"), file.name)
        except (OSError, UnicodeDecodeError) as error:
            reason = f"cannot read the file: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
            yield file.name, Reading(None, (Problem(key="", reason=reason, file=file.name),))
