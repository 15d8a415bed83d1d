"""The test kit: clocks to move, stores to prove, workers to play by hand."""

from quaero.testing.bench import Bench
from quaero.testing.clock import FakeClock
from quaero.testing.drive import Hand

__all__ = ["Bench", "FakeClock", "Hand"]
