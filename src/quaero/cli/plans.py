"""What `quaero run` is asked to run: the definition in a file, the one of an id, or one job of a kind.

A definition goes to the API whole where it comes from a file here, by its id where it is the server's own.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from quaero.client.models import Job
from quaero.client.transport import address
from quaero.domain.errors import InvalidInput, NotFound, UnknownKind
from quaero.domain.suggest import did_you_mean

if TYPE_CHECKING:
    from quaero.client import AsyncClient
    from quaero.domain.definitions import Definition


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask for, and where. `kinds`: somebody must know them for it to begin."""

    path: str
    body: Any
    kinds: frozenset[str]


async def find_plan(client: "AsyncClient", wanted: str, payload: str | None, folder: str | None) -> Plan:
    """The plan that is meant; ids are looked up in `folder` first, if given. Raises InvalidInput."""
    plan = await _of_definition(client, wanted, folder)
    if plan is None:
        return _of_kind(wanted, payload)
    if payload is not None:
        raise InvalidInput("--payload is for a kind: the steps of a definition have payloads of their own")
    return plan


async def _of_definition(client: "AsyncClient", wanted: str, folder: str | None) -> Plan | None:
    from quaero.domain.definitions import to_toml

    here = definition_in_file(wanted) or (_definition_in(folder, wanted) if folder is not None else None)
    if here is not None:
        return Plan(address("job-definitions", "execute"), {"toml": to_toml(here)}, here.kinds)
    try:
        kept = msgspec.json.decode(await client.ask("GET", address("job-definitions", wanted)))
    except NotFound:
        return None
    return Plan(address("job-definitions", wanted, "execute"), {}, frozenset(step["type"] for step in kept["steps"]))


def definition_in_file(wanted: str) -> "Definition | None":
    """The definition of a file, None if `wanted` does not look like one. Raises InvalidInput."""
    from quaero.domain.definitions import parse

    path = Path(wanted)
    if path.suffix != ".toml" and not path.is_file():
        return None
    try:
        return parse(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {wanted}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None


def _definition_in(folder: str, wanted: str) -> "Definition | None":
    from quaero.domain.definitions import load_dir

    return next((found for found in load_dir(folder).definitions if found.id == wanted), None)


def _of_kind(kind: str, payload: str | None) -> Plan:
    try:
        decoded: Any = msgspec.json.decode(payload or "{}")
    except msgspec.DecodeError as error:
        raise InvalidInput(f"--payload is not JSON: {error}") from None
    return Plan(address("jobs"), {"kind": kind, "payload": decoded}, frozenset({kind}))


async def begin(client: "AsyncClient", plan: Plan, wanted: str) -> Job:
    """Make the tree; its root. Raises UnknownKind, which says what there is instead."""
    try:
        return msgspec.json.decode(await client.ask("POST", plan.path, plan.body), type=Job)
    except UnknownKind:
        if plan.kinds != {wanted}:
            raise
        kinds = msgspec.json.decode(await client.ask("GET", address("kinds")))["kinds"]
        names = {one["kind"] for one in kinds} | {one["id"] for one in await client.definitions()}
        there_is = did_you_mean(wanted, names) if names else "there are none yet"
        raise UnknownKind(
            f"{wanted!r} is no file, no definition and no kind that a worker ever announced: {there_is}"
        ) from None
