"""What an executor tells its worker, and the worker records: a closed family of small structs.

The same values cross the executor's pipe (MessagePack, one array per fact) and enter the transaction that records
them, in the order in which they happened. Every fact names the job and the epoch of its reservation: a fact of a
stale epoch changes nothing. Times are microseconds since the epoch, UTC.
"""

from enum import IntEnum

import msgspec


class How(IntEnum):
    """How an attempt, or a mere reservation, ended."""

    COMPLETED = 0
    FAILED = 1  # the handler raised, or its process died: an attempt that counts
    TIMED_OUT = 2  # a failed attempt, with its own words
    CANCELLED = 3  # stopped because it was asked to
    UNTOUCHED = 4  # reserved, never begun: goes back, nothing counted
    REFUNDED = 5  # begun, stopped through no fault of its own (a neighbour was killed): goes back, not counted
    LOST = 6  # its executor died and it may be to blame: goes back, not counted; lost twice it runs alone


class ErrorInfo(msgspec.Struct, array_like=True, frozen=True):
    """Why an attempt failed. `retry_after` is seconds asked for by the handler; `final` forbids another attempt."""

    type: str
    message: str
    traceback: str = ""
    retry_after: float | None = None
    final: bool = False


class Document(msgspec.Struct, array_like=True, frozen=True):
    """A text to keep with a job: stored in the transaction of its finish, full-text searchable."""

    url: str
    title: str
    text: str
    fields: bytes = b"{}"  # JSON
    truncated: bool = False


class Limit(msgspec.Struct, array_like=True, frozen=True):
    """At most `at_once` jobs of one `key` at a time, begun at least `apart` microseconds from each other."""

    key: str
    at_once: int = 1
    apart: int = 0


class Child(msgspec.Struct, array_like=True, frozen=True):
    """One child to spawn. `payload` is JSON text; `delay` is microseconds; `after` names siblings by id."""

    kind: str
    payload: bytes
    key: str | None = None
    priority: int = 0
    delay: int = 0
    after: tuple[int, ...] = ()
    under_step: bool = False
    limit: Limit | None = None
    name: str | None = None
    max_attempts: int = 0  # 0: the kind's own
    timeout: int = 0  # microseconds; 0: the kind's own
    nth: int = 0  # in a run after the first: the n-th unkeyed spawn of this kind and payload in this run
    cap: int = 0  # refused once its parent has this many children; 0: no cap


class Began(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=0):
    """The handler of a reserved job has begun."""

    job_id: int
    epoch: int
    at: int


class Lines(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=1):
    """Log lines, kept encoded: `body` is a MessagePack array of `count` `Line`s, `levels` a bit mask of theirs."""

    job_id: int
    epoch: int
    count: int
    levels: int
    first_at: int
    last_at: int
    body: bytes
    originator: int = 0


class Spawned(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """Children a handler asked for, in order. `token` numbers the first of them for the answer with their ids."""

    job_id: int
    epoch: int
    token: int
    children: list[Child]


class Progressed(msgspec.Struct, array_like=True, frozen=True, tag=3):
    """Absolute progress, and counters to add. Never enters the journal."""

    job_id: int
    epoch: int
    current: float | None = None
    total: float | None = None
    message: str | None = None
    counts: dict[str, int] = {}


class Ended(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=4):
    """An attempt is over. Its lines and spawns were told before. `began_at` is 0 if it never began."""

    job_id: int
    epoch: int
    at: int
    began_at: int
    how: int = How.COMPLETED
    result: bytes | None = None
    error: ErrorInfo | None = None
    documents: list[Document] = []


Fact = Began | Lines | Spawned | Progressed | Ended
