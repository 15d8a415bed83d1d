"""One small number for every child of a job, in order of id: what a map of a million children is drawn from.

Read in chunks that the database folds into one string each, so no row of theirs ever becomes a Python object; ids that
follow each other cost nothing. All of it is one moment: the codes, the ids and the head of the journal.
"""

from collections.abc import Callable

from quaero.domain.job import Job
from quaero.domain.status import FAILED, PENDING, WAITING
from quaero.storage.connection import Connection
from quaero.storage.port import ChildMap
from quaero.storage.reads import errors, jobs_by_id

CHUNK = 50_000
EDGE_CHUNK = 1_000
MOST_EDGE_CHUNKS = 100
MOST_GROUPS = 254  # a code is one byte: 0 is "did not fail", 255 any group beyond these
OTHER = 255
_DIGITS = bytes.maketrans(b"0123456789", bytes(range(10)))

Encode = Callable[[str], bytes]


def child_map(db: Connection, parent_id: int, by: str, now: int) -> ChildMap | None:
    """The children's codes, `by` "status", "duration" or "error"; None without such a job."""
    found = jobs_by_id(db, [parent_id])
    if not found:
        return None
    parent = found[0]
    ((head,),) = db.rows("select journal_head from job where id = ?", (parent.root_id,))
    if by == "duration":
        runs, codes = _folded(db, parent_id, DURATION.format(now=int(now)), ",", _Durations().encode)
        return ChildMap(parent, head, runs, codes)
    runs, codes = _folded(db, parent_id, "status", "", _statuses)
    if by == "status":
        return ChildMap(parent, head, runs, codes)
    groups = errors(db, parent.root_id)[:MOST_GROUPS]
    codes = _failures(db, parent, runs, codes, {group.fingerprint: n for n, group in enumerate(groups, 1)})
    return ChildMap(parent, head, runs, codes, groups)


def _folded(
    db: Connection, parent_id: int, value: str, between: str, encode: Encode
) -> tuple[list[tuple[int, int]], bytes]:
    """Runs of ids as (first, how many), and the codes of all of them."""
    part = f"(select id, {value} as value from job where parent_id = ? and id > ? order by id limit {CHUNK}) part"
    sql = f"select count(*), min(id), max(id), string_agg(cast(value as text), '{between}') from {part}"
    runs: list[tuple[int, int]] = []
    codes: list[bytes] = []
    after = 0
    while True:
        ((n, first, last, values),) = db.rows(sql, (parent_id, after))
        if not n:
            return runs, b"".join(codes)
        codes.append(encode(values))
        if last - first + 1 == n:
            _join(runs, first, n)
        else:
            ids = "select id from job where parent_id = ? and id between ? and ? order by id"
            for (child_id,) in db.rows(ids, (parent_id, first, last)):
                _join(runs, child_id, 1)
        after = last


def _join(runs: list[tuple[int, int]], first: int, n: int) -> None:
    """Add `n` ids from `first` on, to the last run if they follow it."""
    if runs and sum(runs[-1]) == first:
        runs[-1] = (runs[-1][0], runs[-1][1] + n)
    else:
        runs.append((first, n))


def _statuses(digits: str) -> bytes:
    return digits.encode().translate(_DIGITS)


DURATION = (
    f"case when status = {int(PENDING)} or started_at = 0 then -1"
    f" else (case when status > {int(WAITING)} then finished_at else {{now}} end - started_at) / 1000 end"
)


class _Durations:
    """Milliseconds to codes; what was seen is kept, for most children take about as long as others."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def encode(self, values: str) -> bytes:
        """The codes of a comma list."""
        known = self._known
        texts = values.split(",")
        for text in set(texts).difference(known):
            known[text] = duration_code(int(text))
        return bytes(map(known.__getitem__, texts))


def duration_code(millis: int) -> int:
    """0: not begun (below 0). Else four codes an octave: 1 + 4 * o + q from 2**o * (1 + q / 4) - 1 ms on."""
    if millis < 0:
        return 0
    whole = millis + 1
    octave = whole.bit_length() - 1
    quarter = ((whole << 2) >> octave) & 3
    return min(OTHER, 1 + 4 * octave + quarter)


def _failures(
    db: Connection, parent: Job, runs: list[tuple[int, int]], statuses: bytes, known: dict[str, int]
) -> bytes:
    """For each child the number of the group it failed with."""
    codes = bytearray(len(statuses))
    sql = (
        f"select id, {db.dialect.field('error', 'fingerprint')} from job"
        f" where parent_id = ? and status = {int(FAILED)} order by id"
    )
    places = iter(runs)
    first, n = next(places, (0, 0))
    before = 0  # children in the runs before this one
    for child_id, fingerprint in db.rows(sql, (parent.id,)):
        while child_id >= first + n:
            before += n
            first, n = next(places)
        codes[before + child_id - first] = known.get(fingerprint, OTHER)
    return bytes(codes)


def children_after(db: Connection, parent_id: int, after: int, limit: int) -> list[tuple[int, int]]:
    """Ids and statuses of the children with an id above `after`, in order of id."""
    sql = "select id, status from job where parent_id = ? and id > ? order by id limit ?"
    return [(row[0], row[1]) for row in db.rows(sql, (parent_id, after, limit))]


def newest_child(db: Connection, parent_id: int, before: int | None) -> int | None:
    """The highest id of a job's children, of those made before a time if given; None if that is far back."""
    edge = 1 << 62
    for _ in range(MOST_EDGE_CHUNKS):
        rows = db.rows(
            f"select id, created_at from job where parent_id = ? and id < ? order by id desc limit {EDGE_CHUNK}",
            (parent_id, edge),
        )
        for child_id, made_at in rows:
            if before is None or made_at < before:
                return int(child_id)
        if len(rows) < EDGE_CHUNK:
            return 0
        edge = rows[-1][0]
    return None
