"""How long jobs wait from ready to start: counted in a few steps per second and process, never per job.

A wait is put into a bucket a quarter of a power of two wide, so a percentile is at most a quarter above the truth;
the longest wait is kept to 128 microseconds.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from quaero.storage.connection import Connection
from quaero.storage.port import Latency

UNIT_BITS = 7  # waits are counted in units of 128 microseconds
WINDOW_SECONDS = 60
_EXACT = 8  # units up to which every unit has its own bucket


def save_waits(db: Connection, writer: str, now: int, waits: Iterable[int]) -> None:
    """Add waits (microseconds) to the second of `now`."""
    found: dict[int, tuple[int, int]] = {}
    for units, n in Counter([wait >> UNIT_BITS for wait in waits]).items():
        bucket = bucket_of(units)
        known, most = found.get(bucket, (0, 0))
        found[bucket] = known + n, max(most, (units + 1) << UNIT_BITS)
    db.run_many(
        "insert into latency(second, writer, bucket, n, most)"
        " values(?, ?, ?, ?, ?) on conflict(second, writer, bucket) do update set"
        " n = latency.n + excluded.n,"
        " most = case when excluded.most > latency.most then excluded.most else latency.most end",
        [(now // 1_000_000, writer, bucket, n, most) for bucket, (n, most) in sorted(found.items())],
    )


def latency(db: Connection, now: int) -> Latency | None:
    """The last minute's; None if nothing started."""
    rows = db.rows(
        "select bucket, sum(n), max(most) from latency where second > ? group by bucket order by bucket",
        (now // 1_000_000 - WINDOW_SECONDS,),
    )
    return told(rows)


def told(rows: Sequence[tuple[int, int, int]]) -> Latency | None:
    """What buckets in their order, each with how many waits and the longest, say together."""
    if not rows:
        return None
    total, most = sum(n for _, n, _ in rows), max(row[2] for row in rows)
    return Latency(_percentile(rows, total * 0.5, most), _percentile(rows, total * 0.95, most), most)


def _percentile(rows: Sequence[tuple[int, int, int]], rank: float, most: int) -> int:
    for bucket, n, _ in rows:
        rank -= n
        if rank <= 0:
            return min(end_of(bucket) << UNIT_BITS, most)
    return most


def bucket_of(units: int) -> int:
    """The bucket of a wait."""
    if units < _EXACT:
        return units
    bits = units.bit_length()
    return (bits - 2) * 4 + (units >> (bits - 3)) - 4


def end_of(bucket: int) -> int:
    """The first number of units above a bucket."""
    if bucket < _EXACT:
        return bucket + 1
    return (bucket % 4 + 5) << (bucket // 4 - 1)
