"""What the rest of Quaero may ask of a store.

`Store` runs *transaction scripts* (plain functions of `engine/lifecycle`) and answers reads. A script gets a `Ledger`:
the unit of work of one transaction. It loads jobs under the store's lock, changes them in memory, and the ledger saves
everything at the end of the transaction, set-based, numbering the journal as it does. So one commit may carry hundreds
of scripts' work and still be a handful of statements.

Promises every store keeps (proved by `quaero.testing.StoreContract`):

- A script's changes are kept whole or not at all; when `write` returns, they survive a power cut.
- A script that raises changes nothing, and never harms the others of its commit.
- Journal numbers of a tree are dense; nothing becomes visible behind a number already seen.
- Reads see only committed states, each read one consistent moment.
"""

from quaero.storage.port.ledger import JobLedger, Ledger, Lookup, Note, QueueLedger, RecordLedger, Siblings, Want
from quaero.storage.port.store import Store
from quaero.storage.port.views import (
    Breakdown,
    Change,
    ChildMap,
    Commits,
    EntryFilter,
    EntryPage,
    ErrorGroup,
    JobFilter,
    JobPage,
    Latency,
    Mark,
    Matches,
    Moment,
    Standing,
    Stats,
    StoredDocument,
    Stretch,
    StretchPage,
    WorkerRow,
)

__all__ = [
    "Breakdown",
    "Change",
    "ChildMap",
    "Commits",
    "EntryFilter",
    "EntryPage",
    "ErrorGroup",
    "JobFilter",
    "JobLedger",
    "JobPage",
    "Latency",
    "Ledger",
    "Lookup",
    "Mark",
    "Matches",
    "Moment",
    "Note",
    "QueueLedger",
    "RecordLedger",
    "Siblings",
    "Standing",
    "Stats",
    "Store",
    "StoredDocument",
    "Stretch",
    "StretchPage",
    "Want",
    "WorkerRow",
]
