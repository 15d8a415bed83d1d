"""What clients of `/ws` may say: envelopes, subscriptions and their topics, read strictly and bounded."""

from typing import Annotated, Any, NamedTuple

import msgspec

from quaero.domain.errors import InvalidInput
from quaero.domain.wire import parse_id
from quaero.gateway.listing import Order
from quaero.gateway.mapcache import By

MOST_SHOWN = 500  # rows one subscription shows
MAX_PAGE = MOST_SHOWN

SubscriptionId = int | Annotated[str, msgspec.Meta(max_length=64)]
Ids = Annotated[list[str], msgspec.Meta(max_length=MOST_SHOWN)]


class Envelope(msgspec.Struct, frozen=True):
    """Every message, in both directions."""

    type: str
    payload: msgspec.Raw = msgspec.Raw(b"{}")


class Subscribe(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a client shows: a topic, the rows it shows of it, and for lists which page it begins with."""

    id: SubscriptionId
    topic: str
    ids: Ids = []
    rows: bool = False
    errors: bool = False
    status: str = ""
    kind: str | None = None
    tag: str | None = None
    definition: str | None = None
    q: str | None = None
    fingerprint: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    order: Order = "-created_at"
    limit: int | None = None
    cursor: str | None = None
    step: str | None = None
    children: str | None = None
    by: By = "status"
    level: str = "info"


class Shown(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Rows that came into sight, and rows that left it."""

    id: SubscriptionId
    add: Ids = []
    remove: Ids = []


class Unsubscribe(msgspec.Struct, forbid_unknown_fields=True):
    """A subscription that is over."""

    id: SubscriptionId


class Topic(NamedTuple):
    """A parsed topic: its name, and its job where it has one (of `logs`, 0 is the service log)."""

    name: str
    job_id: int


def parse_topic(text: str) -> Topic:
    """The topic a text names. Raises InvalidInput with what there is."""
    name, colon, rest = text.partition(":")
    if name in ("jobs", "queue") and not colon:
        return Topic(name, 0)
    if text == "logs:service":
        return Topic("logs", 0)
    job_id = parse_id(rest)
    if name in ("job", "children", "map", "logs") and job_id:
        return Topic(name, job_id)
    known = "jobs, queue, job:ID, children:ID, map:ID, logs:ID or logs:service"
    raise InvalidInput(f"topic {text[:60]!r} is not one: use {known}")


def parse_ids(texts: list[str]) -> list[int]:
    """The numbers of ids. What cannot be an id names nothing and is refused."""
    numbers = [parse_id(text) for text in texts]
    if None in numbers:
        raise InvalidInput(f"{texts[numbers.index(None)][:40]!r} is not an id")
    return [number for number in numbers if number]


def page_size(asked: int | None, usual: int) -> int:
    """How many rows a subscription begins with; 0: only those it names."""
    size = usual if asked is None else asked
    if not 0 <= size <= MAX_PAGE:
        raise InvalidInput(f"limit is {size}: it must be 0 to {MAX_PAGE}")
    return size


def envelope(kind: str, payload: str) -> str:
    """A message as text, its payload being JSON already."""
    return f'{{"type":"{kind}","payload":{payload}}}'


def json_of(value: Any) -> str:
    """A value as JSON text."""
    return msgspec.json.encode(value).decode()
