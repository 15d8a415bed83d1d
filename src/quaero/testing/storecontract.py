"""What every store must keep, as tests: make a subclass, say how yours is opened, and let pytest run it.

    class TestMyStore(StoreContract):
        def open_store(self, folder, clock):
            return MyStore.open(folder / "store", clock=clock)

`open_store` gives an asynchronous context manager. Needs pytest, anyio and hypothesis. The promises are those of
`quaero.storage.port`; how fast a store is, and what becomes of it when the power goes, are not asked here.
"""

from quaero.testing.storeacting import StoreActing
from quaero.testing.storedating import StoreDating
from quaero.testing.storekeeping import StoreKeeping
from quaero.testing.storelisting import StoreListing
from quaero.testing.storemoving import StoreMoving
from quaero.testing.storequeueing import StoreQueueing
from quaero.testing.storereading import StoreReading
from quaero.testing.storeresting import StoreResting


class StoreContract(
    StoreActing, StoreDating, StoreKeeping, StoreMoving, StoreQueueing, StoreReading, StoreResting, StoreListing
):
    """All promises of a store."""
