"""How much one identity may do at once and in a second, in one gateway process. Whoever is over a limit is told when to
come again; nobody else notices.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from quaero.gateway.auth.place import Refusal

Monotonic = Callable[[], float]
LOGINS_AT_ONCE, LOGINS_PER_SECOND = 10, 1 / 6
MOST_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one identity may have under way, by sort, and how many mutations a second it may ask for (0: any)."""

    requests: int = 1_024
    streams: int = 20_000
    sockets: int = 20_000
    mutations_per_second: int = 0


@dataclass(slots=True)
class Bucket:
    """Leave to do something: `burst` at once, then `per_second`."""

    per_second: float
    burst: float
    left: float = -1.0
    at: float = 0.0

    def take(self, now: float) -> float:
        """Take one; 0 if it was there, else the seconds until it is."""
        left = self.burst if self.left < 0 else min(self.burst, self.left + (now - self.at) * self.per_second)
        self.at = now
        self.left = left - 1 if left >= 1 else left
        return 0.0 if left >= 1 else (1 - left) / self.per_second


@dataclass(slots=True)
class Usage:
    """What one identity has under way."""

    limits: Limits
    under_way: dict[str, int] = field(default_factory=lambda: {"requests": 0, "streams": 0, "sockets": 0})
    mutations: Bucket = field(init=False)

    def __post_init__(self) -> None:
        self.mutations = Bucket(self.limits.mutations_per_second, 2.0 * self.limits.mutations_per_second)

    def begin(self, sort: str, is_mutation: bool, now: float) -> Refusal | None:
        """Count one more; or why it must wait, and then it is not counted."""
        most = getattr(self.limits, sort)
        if self.under_way[sort] >= most:
            return Refusal(429, "busy", f"{most} {sort} of this identity are under way: try again in a second", 1)
        if is_mutation and self.limits.mutations_per_second and (wait := self.mutations.take(now)):
            most = self.limits.mutations_per_second
            detail = f"over {most} mutations a second of this identity: send them as one array, or slower"
            return Refusal(429, "too-fast", detail, math.ceil(wait))
        self.under_way[sort] += 1
        return None

    def end(self, sort: str) -> None:
        """One less."""
        self.under_way[sort] -= 1


class Guesses:
    """Slows those who show wrong keys: by address, the oldest forgotten first."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def wrong(self, address: str, now: float) -> None:
        """A wrong key came from there."""
        bucket = self._buckets.setdefault(address, Bucket(LOGINS_PER_SECOND, LOGINS_AT_ONCE))
        self._buckets.move_to_end(address)
        bucket.take(now)
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)

    def judge(self, address: str, now: float) -> Refusal | None:
        """Whether another try must wait."""
        bucket = self._buckets.get(address)
        if bucket is None:
            return None
        left = min(bucket.burst, bucket.left + (now - bucket.at) * bucket.per_second)
        if left >= 1:
            return None
        wait = math.ceil((1 - left) / bucket.per_second)
        return Refusal(429, "guessing", f"too many wrong credentials came from this address: wait {wait} s", wait)
