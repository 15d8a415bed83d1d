"""What a handler's signature says about its payload: the schema announced, and the arguments of one call.

The parameters after the first are the payload's fields. A payload that does not fit never reaches the handler: a
missing, unknown or mistyped argument is told by name. Nothing is coerced (`"5"` is no number). A handler with only a
context takes any payload, and `**rest` takes what no parameter names.
"""

import inspect
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from quaero.domain.errors import InvalidInput

ANYTHING = b'{"type":"object"}'
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<where>.*)`)?$", re.DOTALL)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Signature:
    """The payload side of a function: its fields, and whether it takes any others."""

    name: str
    fields: tuple[inspect.Parameter, ...]
    takes_rest: bool
    decoder: msgspec.json.Decoder[Any] | None
    struct: type | None

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Signature":
        """Read a handler. Raises InvalidInput if nothing could call it with a context and named arguments."""
        name = getattr(function, "__name__", type(function).__name__)
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters or parameters[0].kind not in (*_NAMED[:1], inspect.Parameter.POSITIONAL_ONLY):
            raise InvalidInput(f"{name} needs a first parameter for its JobContext: def {name}(job, ...)")
        rest = parameters[1:]
        if odd := [p.name for p in rest if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)]:
            raise InvalidInput(f"{name} cannot take {odd[0]!r} by position: a payload's fields have names")
        fields = tuple(p for p in rest if p.kind in _NAMED)
        takes_rest = len(fields) < len(rest)
        struct = _struct(function, name, fields, takes_rest)
        return cls(name, fields, takes_rest, msgspec.json.Decoder(struct) if struct else None, struct)

    @property
    def names(self) -> frozenset[str]:
        """The arguments it names."""
        return frozenset(field.name for field in self.fields)

    @property
    def reader(self) -> Callable[[bytes], dict[str, Any]] | None:
        """What makes the arguments of a call; None for a handler that takes only its context."""
        return self.arguments if self.fields or self.takes_rest else None

    def arguments(self, payload: bytes) -> dict[str, Any]:
        """The keyword arguments of one call. Raises InvalidInput naming the argument that is wrong."""
        if self.decoder is None:
            return self._rest(payload) if self.takes_rest else {}
        try:
            values = msgspec.structs.asdict(self.decoder.decode(payload))
        except msgspec.DecodeError as error:
            raise InvalidInput(_explain(self.name, error)) from None
        given = {name: value for name, value in values.items() if value is not msgspec.UNSET}
        return {**self._rest(payload), **given} if self.takes_rest else given

    def schema(self) -> bytes:
        """JSON Schema of the payload, as JSON text."""
        if self.struct is None:
            return ANYTHING
        (schema,), parts = msgspec.json.schema_components([self.struct], ref_template="#/$defs/{name}")
        own = parts.pop(schema["$ref"].rpartition("/")[2])
        for field in self.fields:
            if field.default not in (field.empty, None) and isinstance(field.default, bool | int | float | str):
                own["properties"][field.name].setdefault("default", field.default)
        if parts:
            own["$defs"] = parts
        return msgspec.json.encode(own)

    def _rest(self, payload: bytes) -> dict[str, Any]:
        named = self.names
        return {name: value for name, value in decode_object(payload).items() if name not in named}


def payload_schema(function: Callable[..., Any]) -> bytes:
    """JSON Schema, as JSON text, of a handler's payload. Raises InvalidInput for a function that cannot be one."""
    return Signature.of(function).schema()


def decode_object(payload: bytes) -> dict[str, Any]:
    """A payload as a dict. Raises InvalidInput when it is no JSON object."""
    try:
        return _decode_object(payload)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"the payload is not a JSON object: {error}") from None


_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def _struct(
    function: Callable[..., Any], name: str, fields: tuple[inspect.Parameter, ...], takes_rest: bool
) -> type | None:
    """A msgspec struct with one member per field, so that one C call decodes and checks a payload."""
    if not fields:
        return None
    hints = _hints(function)
    members: list[Any] = []
    for field in fields:
        hint = _known(hints.get(field.name, Any))
        if field.default is None and hint is not Any:
            hint = hint | None
        if field.default is field.empty:
            members.append((field.name, hint))
        else:
            # Left unset, so that Python applies the default itself, whatever object it is.
            members.append((field.name, hint | msgspec.UnsetType if hint is not Any else Any, msgspec.UNSET))
    return msgspec.defstruct(
        re.sub(r"\W", "_", name), members, forbid_unknown_fields=not takes_rest, kw_only=True, gc=False
    )


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations as types; none at all when one of them cannot be resolved at run time."""
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def _known(hint: Any) -> Any:
    """The type itself, or Any for one that has no JSON form: the handler then gets the plain value."""
    try:
        msgspec.json.Decoder(hint)
        msgspec.json.schema(hint)
    except TypeError:
        return Any
    return hint


def _explain(name: str, error: msgspec.DecodeError) -> str:
    """One line that names the argument, from msgspec's words about a struct."""
    found = _PLACE.match(str(error))
    what, where = (found["what"], found["where"]) if found else (str(error), None)
    if missing := re.match(r"Object missing required field `(.*)`$", what):
        where, what = ".".join(filter(None, (where, missing[1]))), "is missing"
    elif stranger := re.match(r"Object contains unknown field `(.*)`$", what):
        where, what = ".".join(filter(None, (where, stranger[1]))), "is not one it takes"
    elif not isinstance(error, msgspec.ValidationError):
        return f"the payload of {name} is not JSON: {what}"
    else:
        what = "is wrong: " + what[:1].lower() + what[1:].replace("`", "")
    return f"argument {where!r} of {name} {what}" if where else f"the payload of {name} {what}"
