"""A definition as the store keeps it: JSON in the shape of its file, so a root's payload reads as it was written."""

import msgspec

from quaero.domain.definitions.export import to_mapping
from quaero.domain.definitions.model import Definition
from quaero.domain.definitions.reading import parse


def to_stored(definition: Definition) -> bytes:
    """JSON bytes of a definition."""
    return msgspec.json.encode(to_mapping(definition))


def from_stored(body: bytes) -> Definition:
    """The definition that was kept. Raises InvalidDefinition if this version would not accept it any more."""
    return parse(msgspec.json.decode(body, type=dict))
