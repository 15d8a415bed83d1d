"""Where settings come from, in order: defaults, files, environment, flags. Later ones win, key by key.

A key nobody knows or a value out of bounds refuses the start: it names the key, the value, where it was written and
the nearest valid name. Nothing is guessed and nothing is ignored in silence, with one exception: environment variables
that merely share our prefix (an orchestrator sets such for a service called "quaero").
"""

import logging
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from quaero.domain.errors import InvalidInput
from quaero.domain.messages import DEFAULT_TYPES, OLDER_TYPES, THROTTLED_TYPES
from quaero.domain.suggest import did_you_mean, nearest
from quaero.domain.units import spell_duration
from quaero.settings.sections import Settings
from quaero.settings.values import Field, fields_of

FIELDS: Mapping[str, Field] = fields_of(Settings)
SECTIONS = frozenset(field.section for field in FIELDS.values())
DEFAULT_FILE = Path("quaero.toml")
DEPRECATED = {"websocket.event_count_threshold": "messages are paced by websocket.time_threshold alone"}

_VARIABLES = {field.variable: field for field in FIELDS.values()}
# Not settings: what the command line reads, failpoints, and what Kubernetes sets for a service named "quaero"
# (QUAERO_SERVICE_HOST, QUAERO_PORT_8080_TCP, ...).
_NOT_SETTINGS = re.compile(r"QUAERO_(APP|CONFIG|JSON|SERVER|TOKEN|FAILPOINTS|SERVICE_.*|PORT(_.*)?)")
_logger = logging.getLogger("quaero.settings")
_warned: set[str] = set()


@dataclass(frozen=True, slots=True)
class Given:
    """A value somebody wrote. `source` says where; `is_text` that it came without a type."""

    field: Field
    raw: Any
    source: str
    is_text: bool = False

    def read(self) -> Any:
        """The value it stands for. Raises InvalidInput naming the key, the value, the place and the reason."""
        try:
            return self.field.read(self.raw, is_text=self.is_text)
        except ValueError as error:
            raise InvalidInput(f"{self.field.key} is {self.raw!r} ({self.source}): {error}") from None


def load(
    files: Iterable[str | Path] = (),
    environ: Mapping[str, str] = os.environ,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """All settings. Without `files`, `quaero.toml` of the working directory is read if it is there.

    `flags` maps keys (`"server.port"`) to values; None stands for a flag not given. Raises InvalidInput.
    """
    chosen = [Path(path) for path in files] or ([DEFAULT_FILE] if DEFAULT_FILE.is_file() else [])
    given: dict[str, Given] = {}
    for path in chosen:
        given.update((one.field.key, one) for one in _from_file(path))
    given.update((one.field.key, one) for one in _from_environment(environ))
    given.update((one.field.key, one) for one in _from_flags(flags or {}))
    _warn_of_deprecated(given)
    settings = _assembled(given)
    _check_together(settings)
    return settings


def _assembled(given: Mapping[str, Given]) -> Settings:
    sections: dict[str, dict[str, Any]] = {}
    for one in given.values():
        sections.setdefault(one.field.section, {})[one.field.name] = one.read()
    defaults = Settings()
    changed = {name: msgspec.structs.replace(getattr(defaults, name), **values) for name, values in sections.items()}
    return msgspec.structs.replace(defaults, **changed, sources={key: one.source for key, one in given.items()})


def _from_file(path: Path) -> Iterator[Given]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not valid TOML: {error}") from None
    for section, table in tables.items():
        if section not in SECTIONS:
            raise InvalidInput(f"unknown section [{section}] in {path}: {did_you_mean(section, SECTIONS)}")
        if not isinstance(table, dict):
            raise InvalidInput(f"{section} is {table!r} in {path}: it must be a table, [{section}]")
        for name, raw in table.items():
            yield Given(_known(f"{section}.{name}", raw, str(path)), raw, str(path))


def _from_environment(environ: Mapping[str, str]) -> Iterator[Given]:
    for variable, raw in sorted(environ.items()):
        if field := _VARIABLES.get(variable):
            yield Given(field, raw, f"environment {variable}", is_text=True)
        elif variable.startswith("QUAERO_") and not _NOT_SETTINGS.fullmatch(variable):
            _refuse_near_miss(variable, raw)


def _refuse_near_miss(variable: str, raw: str) -> None:
    belongs = any(variable.startswith(f"QUAERO_{section.upper()}_") for section in SECTIONS)
    names = {name.lower(): name for name in _VARIABLES}
    near = nearest(variable, names, alike=0.6 if belongs else 0.85)
    if near or belongs:
        hint = f"did you mean {names[near]}?" if near else "see docs/reference/configuration.md"
        raise InvalidInput(f"unknown setting {variable}={raw!r} in the environment: {hint}")


def _from_flags(flags: Mapping[str, Any]) -> Iterator[Given]:
    for key, raw in flags.items():
        if raw is not None:
            yield Given(_known(key, raw, "command line"), raw, "command line", is_text=True)


def _known(key: str, raw: Any, source: str) -> Field:
    if field := FIELDS.get(key):
        return field
    section = key.partition(".")[0]
    valid = [name for name in FIELDS if name.startswith(f"{section}.")] if section in SECTIONS else FIELDS
    near = nearest(key, valid) or nearest(key, FIELDS)
    hint = f"did you mean {near!r}?" if near else did_you_mean(key, valid)
    raise InvalidInput(f"unknown setting {key} = {raw!r} ({source}): {hint}")


def _warn_of_deprecated(given: Mapping[str, Given]) -> None:
    for key in given.keys() & DEPRECATED.keys() - _warned:
        _warned.add(key)
        _logger.warning("%s (%s) is deprecated and ignored: %s", key, given[key].source, DEPRECATED[key])


def _check_together(settings: Settings) -> None:
    """Bounds between settings: a lease must outlive a lost heartbeat."""
    queue = settings.queue
    if queue.heartbeat * 2 > queue.lease:
        raise InvalidInput(
            f"queue.heartbeat is {spell_duration(queue.heartbeat)}, which is more than half of queue.lease "
            f"({spell_duration(queue.lease)}): a worker could lose its jobs after one late heartbeat"
        )
    _check_messages("allowed_events", settings.websocket.allowed_events, DEFAULT_TYPES + OLDER_TYPES)
    _check_messages("throttle_intervals", settings.websocket.throttle_intervals, THROTTLED_TYPES)


def _check_messages(name: str, given: Iterable[str], known: tuple[str, ...]) -> None:
    for kind in given:
        if kind not in known:
            raise InvalidInput(f"websocket.{name} has {kind!r}, which is no message: {did_you_mean(kind, known)}")
