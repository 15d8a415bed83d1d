"""What worker and executor say to each other: length-prefixed MessagePack frames of typed structs.

    worker ──> executor   Setup, Run, Cancel, SpawnAnswer, Reply, Stop, Deliver
    executor ──> worker   Ready | Broken once, then Facts, Ask, Orphans, Delivered

A frame is four bytes of length (little endian) and one MessagePack value. No pickle: a frame can only be one of these.
The executor writes with back-pressure (a full pipe blocks it), the worker never blocks; so a slow store slows the
handlers instead of filling memory.
"""

import struct
from enum import IntEnum

import msgspec

from quaero.domain.facts import Fact

LENGTH = struct.Struct("<I")


class Sort(IntEnum):
    """How a kind's function runs: on the executor's event loop with others, or alone in the process."""

    ASYNC = 0
    PLAIN = 1


class KindInfo(msgspec.Struct, array_like=True, frozen=True):
    """A kind an executor can run, as announced to the store. `timeout` is microseconds, 0 for none."""

    kind: str
    sort: int
    max_attempts: int = 3  # 0: as the worker is configured
    timeout: int = 0
    schema: bytes = b"{}"  # JSON Schema of the payload
    has_function: bool = True


class Setup(msgspec.Struct, array_like=True, frozen=True, tag=0):
    """First frame to an executor: what to import and how to capture."""

    app: str | None  # MODULE[:ATTR]
    concurrency: int = 100
    min_level: int = 0
    max_log_bytes: int = 512 * 1024 * 1024
    max_line: int = 64 * 1024
    settings: bytes = b"{}"  # JSON: sections the built-in kinds read (crawler, command)
    secret_names: list[str] = []  # whose values are masked, beside those that say so themselves
    secrets: list[str] = []  # known by value


class Task(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One reserved job. `attempt` is the number this try will have; `timeout` microseconds, 0 for none."""

    job_id: int
    epoch: int
    kind: str
    payload: bytes
    root_id: int
    parent_id: int | None
    step: str | None
    step_id: int | None
    attempt: int
    round: int
    max_attempts: int
    timeout: int
    has_lines: bool = False


class Run(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """Run these, in order, as slots come free."""

    tasks: list[Task]


class Cancel(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """Stop these: unbegun ones are handed back (UNTOUCHED), running ones asked. `why`: cancel, timeout or recall."""

    job_ids: list[int]
    why: str = "cancel"


class SpawnAnswer(msgspec.Struct, array_like=True, frozen=True, tag=3):
    """Committed ids for the spawns from `token` on, or why they were refused."""

    job_id: int
    epoch: int
    token: int
    ids: list[int]
    error: str | None = None


class Reply(msgspec.Struct, array_like=True, frozen=True, tag=4):
    """Answer to an `Ask`."""

    request_id: int
    value: bytes  # JSON
    error: str | None = None


class Stop(msgspec.Struct, array_like=True, frozen=True, tag=5):
    """Finish nothing more: hand back what has not begun; leave when what runs has ended."""


class Deliver(msgspec.Struct, array_like=True, frozen=True, tag=6):
    """Call a subscriber with an event (its JSON); answered by `Delivered`."""

    delivery_id: int
    subscriber: str
    event_name: str
    event: bytes


ToExecutor = Setup | Run | Cancel | SpawnAnswer | Reply | Stop | Deliver


class Ready(msgspec.Struct, array_like=True, frozen=True, tag=0):
    """The executor has imported everything and takes work."""

    pid: int
    kinds: list[KindInfo]
    subscriptions: list[tuple[str, str]] = []  # (event name, subscriber name)


class Broken(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """The application could not be imported: one line for people, the traceback for the log."""

    message: str
    traceback: str


class Facts(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """What happened, in order."""

    facts: list[Fact]


class Ask(msgspec.Struct, array_like=True, frozen=True, tag=3):
    """A question only the store can answer (`children` of the asking job)."""

    request_id: int
    job_id: int
    what: str


class Orphans(msgspec.Struct, array_like=True, frozen=True, tag=4):
    """Output nobody owns (raw descriptors of an async executor): for the service log."""

    count: int
    levels: int
    first_at: int
    last_at: int
    body: bytes  # as in `Lines`


class Delivered(msgspec.Struct, array_like=True, frozen=True, tag=5):
    """A subscriber returned, or raised `error`."""

    delivery_id: int
    error: str | None = None


FromExecutor = Ready | Broken | Facts | Ask | Orphans | Delivered

encode = msgspec.msgpack.Encoder().encode
decode_to_executor = msgspec.msgpack.Decoder(ToExecutor).decode
decode_from_executor = msgspec.msgpack.Decoder(FromExecutor).decode


def frame(message: msgspec.Struct) -> bytes:
    """The bytes of one message, length first."""
    body = encode(message)
    return LENGTH.pack(len(body)) + body
