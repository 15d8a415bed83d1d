"""Tree 0: the service's own journal, hidden from lists of jobs."""

from quaero.domain.facts import Lines
from quaero.storage.port import Ledger

SERVICE_ROOT = 0


def append_service(ledger: Ledger, lines: Lines) -> None:
    """Append lines nobody else owns."""
    ledger.lines(ledger.get(SERVICE_ROOT), lines)
