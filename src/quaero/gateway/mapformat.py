"""How a map travels: ids as runs, then one small number for each child in order of id.

    binary   length of the head, 4 bytes, little endian
             head: JSON {job_id, by, cursor, count, legend}, a zero byte,
                   ids as runs of two varints: how many ids are left out before it, how many follow each other
             `count` bytes, one for each child

    JSON     {job_id, by, cursor, count, legend, ids: [[first, n], ...], runs: [[code, n], ...]}

A varint is little endian, seven bits a byte, the high bit set on all but the last. A page can look at the codes where
they lie, without copying.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from quaero.domain.status import WORDS
from quaero.storage.port import ChildMap

_RUN = re.compile(rb"(.)\1*", re.DOTALL)
BINARY = "application/vnd.quaero.map"
OTHER = 255  # the code of a failure that has no number of its own


class MapGroup(msgspec.Struct, frozen=True):
    """What a code of a map by error stands for."""

    code: int
    fingerprint: str
    message: str
    count: int


class MapHead(msgspec.Struct, frozen=True, kw_only=True):
    """Whose children, what the codes are, and the cursor at which they hold. `legend` has what the codes mean.

    By status: words. By error: groups (0: did not fail, 255: failed otherwise). By duration: empty; 0 is "not begun",
    1 + 4 * o + q means from 2**o * (1 + q / 4) - 1 milliseconds on, up to the next.
    """

    job_id: str
    by: str
    cursor: str
    count: int
    legend: list[str | MapGroup]


class WireMap(MapHead, frozen=True, kw_only=True):
    """Runs of ids as [first, how many], runs of codes as [code, how many]."""

    ids: list[tuple[int, int]]
    runs: list[tuple[int, int]]


def head_of(found: ChildMap, by: str, cursor: str) -> MapHead:
    """What stands before ids and codes."""
    legend: list[str | MapGroup] = []
    if by == "status":
        legend = list(WORDS)
    elif by == "error":
        legend = [MapGroup(n, group.fingerprint, group.message, group.count) for n, group in enumerate(found.groups, 1)]
    return MapHead(job_id=str(found.parent.id), by=by, cursor=cursor, count=len(found.codes), legend=legend)


def binary(found: ChildMap, head: MapHead) -> bytes:
    """The compact form."""
    front = msgspec.json.encode(head) + b"\0" + b"".join(_varints(_gaps(found.runs)))
    return len(front).to_bytes(4, "little") + front + found.codes


def run_length(found: ChildMap, head: MapHead) -> WireMap:
    """The form for people and short scripts."""
    fields: dict[str, Any] = {name: getattr(head, name) for name in MapHead.__struct_fields__}
    runs = [(run[0][0], len(run[0])) for run in _RUN.finditer(found.codes)]
    return WireMap(**fields, ids=found.runs, runs=runs)


def _gaps(runs: Iterable[tuple[int, int]]) -> Iterator[int]:
    end = 0
    for first, n in runs:
        yield first - end
        yield n
        end = first + n


def _varints(numbers: Iterable[int]) -> Iterator[bytes]:
    for number in numbers:
        out = bytearray()
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
        yield bytes(out)
