"""Tree 0: the service's own journal, hidden from lists of jobs."""

from collections.abc import Sequence

from quaero.domain.facts import Lines
from quaero.storage.port import Ledger

SERVICE_ROOT = 0


def append_service(ledger: Ledger, batch: Sequence[Lines]) -> None:
    """Append what processes say of themselves, and output that belongs to no job."""
    service = ledger.get(SERVICE_ROOT)
    for lines in batch:
        ledger.lines(service, lines)
