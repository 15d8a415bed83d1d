"""How the queue went of late: at each of the last moments, what its throughput and latency would have been then.

Made from the counts that are written anyway, a row per second and process, so every gateway answers the same, also one
that has just begun. The counts are folded into slots of the distance of two moments before anything is carried.
"""

from collections import Counter

from quaero.storage.connection import Connection
from quaero.storage.latency import WINDOW_SECONDS, told
from quaero.storage.port import Moment

EVERY_SECONDS = 10
MOMENTS = 60
_SLOTS = WINDOW_SECONDS // EVERY_SECONDS  # of one window
_SLOT = f"(second - 1) / {EVERY_SECONDS}"  # slot n has the seconds after 10 n, up to 10 (n + 1)


def history(db: Connection, now: int) -> list[Moment]:
    """The last moments, oldest first; the newest one is at most `EVERY_SECONDS` old."""
    newest = now // 1_000_000 // EVERY_SECONDS
    first = (newest - MOMENTS - _SLOTS + 1) * EVERY_SECONDS
    closed: dict[int, tuple[int, int]] = {}
    for slot, n, since in db.rows(
        f"select {_SLOT} as slot, sum(closed), min(second) from throughput where second > ? group by 1", (first,)
    ):
        closed[slot] = int(n), int(since)
    waits: dict[int, list[tuple[int, int, int]]] = {}
    for slot, bucket, n, most in db.rows(
        f"select {_SLOT} as slot, bucket, sum(n), max(most) from latency where second > ? group by 1, 2", (first,)
    ):
        waits.setdefault(slot, []).append((int(bucket), int(n), int(most)))
    return [_moment(end, closed, waits) for end in range(newest - MOMENTS + 1, newest + 1)]


def _moment(end: int, closed: dict[int, tuple[int, int]], waits: dict[int, list[tuple[int, int, int]]]) -> Moment:
    """The window that ends with the slot before `end`."""
    second = end * EVERY_SECONDS
    seen = [closed[slot] for slot in range(end - _SLOTS, end) if slot in closed]
    pace = sum(n for n, _ in seen) / max(1, second - min(since for _, since in seen) + 1) if seen else 0.0
    counts: Counter[int] = Counter()
    longest: dict[int, int] = {}
    for slot in range(end - _SLOTS, end):
        for bucket, n, most in waits.get(slot, ()):
            counts[bucket] += n
            longest[bucket] = max(longest.get(bucket, 0), most)
    return Moment(
        second * 1_000_000, pace, told([(bucket, counts[bucket], longest[bucket]) for bucket in sorted(counts)])
    )
