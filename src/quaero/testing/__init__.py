"""The test kit: jobs run inline, clocks to move, stores to prove, workers to play by hand."""

from quaero.testing.bench import Bench
from quaero.testing.clock import FakeClock
from quaero.testing.drive import Hand
from quaero.testing.finished import FinishedJob
from quaero.testing.inline import Inline, inline

__all__ = ["Bench", "FakeClock", "FinishedJob", "Hand", "Inline", "inline"]
