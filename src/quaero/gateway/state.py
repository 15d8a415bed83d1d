"""What every route of a gateway process works with. Viewers' state lives with their streams, not here."""

import secrets
from dataclasses import dataclass, field

from quaero.clock import Clock, SystemClock
from quaero.gateway.mapcache import Maps
from quaero.settings import Settings
from quaero.storage.port import Store


@dataclass(slots=True)
class Gateway:
    """One gateway process: its store, its clock, its name. `draining`: it finishes and takes nothing new."""

    store: Store
    version: str
    clock: Clock = field(default_factory=SystemClock)
    settings: Settings = field(default_factory=Settings)
    instance_id: str = field(default_factory=lambda: secrets.token_hex(8))
    draining: bool = False
    maps: Maps = field(default_factory=Maps)
