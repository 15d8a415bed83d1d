"""How a worker learns that something moved: somebody rings, or it finds out by looking now and then.

The bell may be lost; looking is the truth, and costs one read of three indexes that are empty when nothing is to do.
"""

from typing import Protocol

from quaero.clock import Clock
from quaero.domain.errors import StoreUnavailable
from quaero.doorbell.port import Doorbell
from quaero.storage.port import Store

LOOK_SECONDS = 0.25


class Stir(Protocol):
    """Told that something moved; `look`: it may concern what runs already."""

    def __call__(self, *, look: bool) -> None:
        """Something moved."""


class Ears:
    """Listens until cancelled."""

    def __init__(self, store: Store, bell: Doorbell, clock: Clock, stir: Stir) -> None:
        self._store = store
        self._bell = bell
        self._clock = clock
        self._stir = stir

    async def listen(self) -> None:
        """Turn rings, and what is found by looking, into stirs."""
        while True:
            if await self._bell.wait(LOOK_SECONDS):
                self._stir(look=True)
                continue
            try:
                ready, cancelling = await self._found()
            except StoreUnavailable:  # whoever writes will say so, and the lease knows how long that may last
                continue
            if ready or cancelling:
                self._stir(look=cancelling)

    async def _found(self) -> tuple[bool, bool]:
        """Whether there is ready work, and whether something is being cancelled."""
        ((ready, due, cancelling),) = await self._store.rows(
            "select exists (select 1 from lane where n_ready > 0),"
            " exists (select 1 from job where status = 0 and ready = 0 and owner is null and blocked_by = 0"
            " and run_at > 0 and run_at <= ?), exists (select 1 from job where cancelling is not null)",
            (self._clock.now(),),
        )
        return bool(ready or due), bool(cancelling)
