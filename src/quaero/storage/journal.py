"""How journal entries lie on disk: one compressed block per commit, runs that say where each tree's entries are.

    block   zlib( msgpack [ group, ... ] )             what one commit recorded, of all its trees
    group   [root, first seq, [segment, ...]]          numbered by counting from `first seq`
    segment [0, job, step, line, at, level, origin, message, status, count, tally, fields]      one note
            [1, job, step, first line, count, origin, body]                                     captured lines

`body` is the MessagePack array an executor made: a line is decoded by its readers, never by the writer. Measured
against one row per line this stores about five times as fast in a ninth of the space.
"""

import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from quaero.domain.entries import Entry, Level, Line
from quaero.domain.status import WORDS
from quaero.domain.tally import Tally

MAX_BLOCK = 512 * 1024  # bytes before compression: what a reader of one entry must unpack at most, roughly

NOTE, LINES = 0, 1

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_decode_lines = msgspec.msgpack.Decoder(list[Line]).decode

Group = tuple[int, int, list[Any]]


def pack(groups: list[Group]) -> bytes:
    """One block of these groups. Level 1: a commit waits for it, and higher levels gain little on short texts."""
    return zlib.compress(_encode(groups), 1)


def unpack(data: bytes) -> list[list[Any]]:
    """The groups of a block, as lists."""
    groups: list[list[Any]] = _decode(zlib.decompress(data))
    return groups


def entries_of(group: list[Any]) -> Iterator[Entry]:
    """A group's entries in order, numbered."""
    root_id, seq, segments = group
    for segment in segments:
        if segment[0] == LINES:
            _, job_id, step_id, number, count, origin, body = segment
            for offset, line in enumerate(_decode_lines(body)):
                yield Entry(
                    seq=seq + offset,
                    line_number=number + offset,
                    at=line.at,
                    level=line.level,
                    message=line.message,
                    job_id=job_id,
                    root_id=root_id,
                    step_id=step_id,
                    originator=origin,
                    fields=line.fields,
                )
            seq += count
        else:
            yield _note_entry(root_id, seq, segment)
            seq += 1


def _note_entry(root_id: int, seq: int, segment: list[Any]) -> Entry:
    _, job_id, step_id, number, at, level, origin, message, status, count, tally, fields = segment
    shown: dict[str, Any] = dict(fields or {})
    if status >= 0:
        word = WORDS[status]
        shown["status"] = word
        message = f"Status changed: {word}" + (f" ({message})" if message else "")
        if tally:
            shown["tally"] = Tally(*tally).to_wire()
    if count:
        shown.setdefault("count", count)
    return Entry(
        seq=seq,
        line_number=number,
        at=at,
        level=level,
        message=message,
        job_id=job_id,
        root_id=root_id,
        step_id=step_id,
        originator=origin,
        fields=shown or None,
    )


def all_levels() -> int:
    """The mask with every level set."""
    return (1 << len(Level)) - 1
