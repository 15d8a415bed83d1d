"""What every route of a gateway process works with. A viewer's state lives with its stream, not here."""

import secrets
from dataclasses import dataclass, field

from quaero.clock import Clock, SystemClock
from quaero.domain.job import Job
from quaero.doorbell.port import Doorbell, Silence
from quaero.gateway.feed import Feed
from quaero.gateway.lately import Lately
from quaero.gateway.lookout import Lookout
from quaero.gateway.mapcache import Maps
from quaero.gateway.remembered import Remembered
from quaero.gateway.requests import Requests
from quaero.gateway.viewers import Viewers
from quaero.settings import Settings
from quaero.storage.port import Moment, Store

HISTORY_SECONDS = 1.0  # for which how the queue went is given out again


@dataclass(slots=True)
class Gateway:
    """One gateway process: its store, clock and name; what moves in the store, and who watches.

    `draining`: it finishes and takes nothing new.
    """

    store: Store
    version: str
    clock: Clock = field(default_factory=SystemClock)
    settings: Settings = field(default_factory=Settings)
    instance_id: str = field(default_factory=lambda: secrets.token_hex(8))
    draining: bool = False
    maps: Maps = field(default_factory=Maps)
    longest: Lately[list[Job]] = field(default_factory=Lately)
    bell: Doorbell = field(default_factory=Silence)
    viewers: Viewers = field(default_factory=Viewers)
    started_at: int = 0
    requests: Requests = field(default_factory=Requests)
    history: Remembered[None, list[Moment]] = field(init=False)
    lookout: Lookout = field(init=False)
    feed: Feed = field(init=False)

    def __post_init__(self) -> None:
        self.started_at = self.started_at or self.clock.now()
        logs = self.settings.logs
        self.history = Remembered(self.clock, HISTORY_SECONDS)
        self.lookout = Lookout(self.store, self.bell, self.clock)
        self.feed = Feed(
            self.store,
            self.lookout,
            self.clock,
            interval=logs.batch_interval / 1e6,
            ping_seconds=logs.ping_interval / 1e6,
        )
