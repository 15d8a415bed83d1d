"""What one call of `spawn` or `spawn_many` asks for, checked: the options all its children share."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import repeat
from typing import Any

import msgspec

from quaero.domain import facts
from quaero.domain.bounds import KIB, MAX_PAYLOAD
from quaero.domain.errors import InvalidInput, TooLarge
from quaero.engine.handles import SpawnHandle
from quaero.engine.limits import Limit, micros

MAX_KEY = 8 * KIB

Keys = Iterable[str | None] | Callable[[Any], str | None] | None
After = Iterable["SpawnHandle | str | int"] | SpawnHandle | str | int

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True, eq=False)
class Order:
    """The kind and options of some children. `delay` is microseconds; `after` may hold handles without an id yet."""

    kind: str
    priority: int = 0
    delay: int = 0
    under_step: bool = False
    limit: facts.Limit | None = None
    cap: int = 0
    after: tuple["SpawnHandle | int", ...] = ()
    siblings: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        kind: str,
        priority: int,
        delay: float | str | timedelta | None,
        after: After,
        under: str,
        limit_key: str | Limit | None,
        cap: int = 0,
    ) -> "Order":
        """Check the options as a handler gave them. Raises InvalidInput saying which is wrong."""
        if under not in ("self", "step"):
            raise InvalidInput(f"under is {under!r}: a child is spawned under 'self' or under the 'step'")
        if not isinstance(priority, int) or not -(2**31) <= priority < 2**31:
            raise InvalidInput(f"priority is {priority!r}: give a whole number, higher goes first")
        if not isinstance(cap, int) or cap < 0:
            raise InvalidInput(f"max_children is {cap!r}: give a whole number, 0 for no cap")
        limit = Limit(limit_key) if isinstance(limit_key, str) else limit_key
        try:
            wait = micros(delay)
            fact = limit.fact() if limit is not None else None
        except ValueError as error:
            raise InvalidInput(str(error)) from None
        if isinstance(after, SpawnHandle | str | int):
            after = (after,)
        order = cls(kind, priority, wait, under == "step", fact, cap, tuple(_sibling(one) for one in after))
        order.resolve()
        return order

    @property
    def is_open(self) -> bool:
        """Whether it still waits for the id of a sibling."""
        return any(isinstance(one, SpawnHandle) and not one.done for one in self.after)

    def resolve(self) -> None:
        """Turn handles that have their id into ids; one that was refused by a cap is nothing to wait for."""
        if self.after and not self.is_open:
            ids = (one.id if isinstance(one, SpawnHandle) else str(one) for one in self.after)
            self.siblings = tuple(int(one) for one in ids if one is not None)

    def child(self, payload: bytes, key: str | None, nth: int) -> facts.Child:
        """One child of this order."""
        # by position: this runs a hundred thousand times a second
        return facts.Child(
            self.kind, payload, key, self.priority, self.delay, self.siblings, self.under_step, self.limit,
            None, 0, 0, nth, self.cap,
        )  # fmt: skip


def merged(payload: Mapping[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """A payload given as a mapping and by name. Raises TypeError for what stands in both."""
    if not isinstance(payload, Mapping):
        raise InvalidInput(f"a payload must be a mapping of names to values, not {type(payload).__name__}")
    if both := fields.keys() & payload.keys():
        raise TypeError(f"{min(both)!r} stands in the payload mapping and beside it: give it once")
    return {**payload, **fields}


def encode_payload(payload: Any) -> bytes:
    """A payload as JSON. Raises InvalidInput for what has no JSON form or is no mapping, TooLarge over 256 KB."""
    try:
        body = _encode(payload)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidInput(f"a payload must be a mapping with a JSON form: {error}") from None
    if body[:1] != b"{":
        raise InvalidInput(f"a payload must be a mapping of names to values, not {type(payload).__name__}")
    if len(body) > MAX_PAYLOAD:
        raise TooLarge(f"a payload of {len(body):,} bytes is over the limit of {MAX_PAYLOAD:,}: pass a reference to it")
    return body


def check_key(key: str | None) -> str | None:
    """A child's key, as it may stand in the store. Raises InvalidInput."""
    if key is None:
        return key
    if not isinstance(key, str) or not key or "\0" in key or not (key.isascii() or _is_text(key)):
        raise InvalidInput(f"{key!r} is no key: give a text that is not empty")
    if len(key) > MAX_KEY:
        raise TooLarge(f"a key of {len(key):,} characters is over the limit of {MAX_KEY:,}: give a digest of it")
    return key


def paired(payloads: Iterable[Mapping[str, Any]], keys: Keys) -> Iterator[tuple[Mapping[str, Any], str | None]]:
    """Payloads with their keys. Raises InvalidInput where a list of keys ends too soon or too late."""
    if keys is None:
        return zip(payloads, repeat(None), strict=False)
    if callable(keys):
        return ((payload, check_key(keys(payload))) for payload in payloads)
    return _zipped(iter(payloads), iter(keys))


def refuse_clash(kind: str, names: frozenset[str], options: dict[str, Any], payload: Mapping[str, Any]) -> None:
    """Raise TypeError for an option that may have been meant as an argument of the kind."""
    for option, value in options.items():
        if value is not None and option in names and option not in payload:
            raise TypeError(
                f"{option!r} is an option of spawn and an argument of {kind}: pass the argument in the payload mapping"
            )


def _zipped(
    payloads: Iterator[Mapping[str, Any]], keys: Iterator[str | None]
) -> Iterator[tuple[Mapping[str, Any], str | None]]:
    try:
        yield from ((payload, check_key(key)) for payload, key in zip(payloads, keys, strict=True))
    except ValueError as error:
        raise InvalidInput(f"there must be as many keys as payloads: {error}") from None


def _sibling(one: SpawnHandle | str | int) -> SpawnHandle | int:
    if isinstance(one, SpawnHandle):
        return one
    if isinstance(one, str | int) and str(one).isdecimal():
        return int(one)
    raise InvalidInput(f"after holds {one!r}: give handles of siblings or their ids")


def _is_text(key: str) -> bool:
    try:
        return bool(key.encode())
    except UnicodeEncodeError:
        return False
