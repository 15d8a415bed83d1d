"""One tree's part of a block: entries that are decoded only as far as somebody asks for them."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from quaero.domain.entries import Entry, Line
from quaero.domain.status import WORDS
from quaero.domain.tally import Tally
from quaero.storage.journal import LINES
from quaero.storage.needle import Needle
from quaero.storage.port import Change

NOWHERE = 1 << 62  # beyond every number

_encode = msgspec.msgpack.Encoder().encode
_decode_raw_lines = msgspec.msgpack.Decoder(list[Any]).decode
_decode_lines = msgspec.msgpack.Decoder(list[Line]).decode


@dataclass(frozen=True, slots=True)
class Segments:
    """Neighbouring entries of a tree (implements `port.Stretch`)."""

    root_id: int
    first: int
    segments: list[Any]

    @property
    def last(self) -> int:
        """The number of its last entry."""
        return self.first - 1 + sum(map(_count, self.segments))

    @property
    def size(self) -> int:
        """Bytes of its lines, roughly."""
        return sum(len(segment[6]) for segment in self.segments if segment[0] == LINES)

    def job_ids(self) -> set[int]:
        """The jobs that have entries in it."""
        return {segment[1] for segment in self.segments}

    def entries(
        self,
        *,
        level: int = 0,
        step_id: int | None = None,
        jobs: Container[int] | None = None,
        needle: Needle | None = None,
        after: int = 0,
        before: int = NOWHERE,
        descending: bool = False,
    ) -> Iterator[Entry]:
        """Its entries of a level and above in (after, before): of one step, of some jobs, with a text in them.

        A segment is of one job, so most of what is not asked for is never decoded.
        """
        for seq, segment in self._placed(descending):
            count = _count(segment)
            if seq + count - 1 <= after or seq >= before or (step_id is not None and segment[2] != step_id):
                continue
            if jobs is not None and segment[1] not in jobs:
                continue
            if segment[0] != LINES:
                entry = _note_entry(self.root_id, seq, segment) if segment[5] >= level else None
                if entry is not None and (needle is None or needle.is_in(entry.message)):
                    yield entry
            elif needle is None or needle.may_be_in(segment[6]):
                found = _line_entries(self.root_id, seq, segment, level, needle)
                for entry in reversed(list(found)) if descending else found:
                    if after < entry.seq < before:
                        yield entry

    def _placed(self, descending: bool = False) -> Iterable[tuple[int, list[Any]]]:
        """Its segments, each with the number of its first entry."""
        placed = []
        seq = self.first
        for segment in self.segments:
            placed.append((seq, segment))
            seq += _count(segment)
        return reversed(placed) if descending else placed

    def within(self, after: int, upto: int) -> "Segments":
        """What lies beyond `after`, up to and with `upto`."""
        kept: list[Any] = []
        start = 0
        for seq, segment in self._placed():
            count = _count(segment)
            low, high = max(0, after + 1 - seq), min(count, upto + 1 - seq)
            if low < high:
                start = start or seq + low
                kept.append(segment if high - low == count else _part_of(segment, low, high))
        return Segments(self.root_id, start or after + 1, kept)

    def changes(self) -> Iterator[Change]:
        """Every change of a status in it."""
        for seq, segment in self._placed():
            if segment[0] != LINES and segment[8] >= 0:
                yield Change(seq, segment[1], segment[2], segment[8])

    def line_at(self, counter_id: int, after: int) -> tuple[int, int] | None:
        """(seq, line number) of the first entry beyond `after` that a job or step counts."""
        for seq, segment in self._placed():
            if (segment[1] if segment[2] is None else segment[2]) == counter_id and seq + _count(segment) - 1 > after:
                skipped = max(0, after + 1 - seq)
                return seq + skipped, segment[3] + skipped
        return None


def _count(segment: list[Any]) -> int:
    return segment[4] if segment[0] == LINES else 1


def _part_of(segment: list[Any], low: int, high: int) -> list[Any]:
    """Some of a segment's lines."""
    _, job_id, step_id, number, _, origin, body = segment
    lines = _decode_raw_lines(body)[low:high]
    return [LINES, job_id, step_id, number + low, high - low, origin, _encode(lines)]


def _line_entries(
    root_id: int, seq: int, segment: list[Any], level: int, needle: Needle | None = None
) -> Iterator[Entry]:
    _, job_id, step_id, number, _, origin, body = segment
    for offset, line in enumerate(_decode_lines(body)):
        if line.level >= level and (needle is None or needle.is_in(line.message)):
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
