"""Short forms of entries in which nothing is new: what many leaves did one after the other, in one commit.

    segment [2, step, first line, at, level, tally, [status, ...], message, [job, ...]]   siblings, not begun before,
                                                                 each of which went through these statuses
    group   [-1, at, [root, ...]]           whole journals of trees of one job, which began and completed

A fan-out's journal is made of little else, so a commit writes one of them where there would be a note for every step
of every job. Whoever reads a block gets the notes.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from quaero.domain.entries import Level, Originator
from quaero.domain.status import COMPLETED, PENDING, RUNNING

NOTE, MOVED = 0, 2
_SINGLES = -1
_SYSTEM = int(Originator.SYSTEM)
RAN_THROUGH = (int(RUNNING), int(COMPLETED))

Notes = list[list[Any]]
_decode_ids = msgspec.msgpack.Decoder(list[int]).decode


def singles(root_ids: list[int], at: int) -> tuple[int, int, list[Any]]:
    """The group that stands for trees of one job each, which began and completed `at`."""
    return (_SINGLES, at, root_ids)


def expand(groups: list[list[Any]], root_id: int) -> list[list[Any]]:
    """The groups of a tree, without short forms."""
    found: list[list[Any]] = []
    for group in groups:
        if group[0] == root_id:
            group[2] = _notes(group[2])
            found.append(group)
        elif group[0] == _SINGLES and root_id in group[2]:
            moved = [MOVED, None, 1, group[1], int(Level.INFO), None, RAN_THROUGH, "", [root_id]]
            found.append([root_id, 1, _expand(moved)])
    return found


def trees_of(groups: list[tuple[int, int, msgspec.Raw]]) -> Iterator[int]:
    """The roots of all trees in a block of which only the outer shape was read."""
    for root_id, _, segments in groups:
        if root_id == _SINGLES:
            yield from _decode_ids(segments)
        else:
            yield root_id


def _notes(segments: list[Any]) -> list[Any]:
    if not any(segment[0] == MOVED for segment in segments):
        return segments
    plain: list[Any] = []
    for segment in segments:
        plain += _expand(segment) if segment[0] == MOVED else (segment,)
    return plain


def _expand(segment: list[Any]) -> Notes:
    """A note for each status of each job; the parent's tally moves with them."""
    _, step_id, line, at, level, tally, statuses, message, job_ids = segment
    notes: Notes = []
    for job_id in job_ids:
        before = int(PENDING)
        for status in statuses:
            if tally is not None:
                tally = list(tally)
                tally[before] -= 1
                tally[status] += 1
            notes.append([NOTE, job_id, step_id, line, at, level, _SYSTEM, message, status, 0, tally, None])
            before = status
            line += 1
        if step_id is None:  # each has a counter of its own
            line = 1
    return notes
