"""Requests that may be repeated: the first answer to a key is kept, and given again for a day (`sweep.trim_small`)."""

from collections.abc import Callable, Sequence

import msgspec

from quaero.domain.errors import Conflict
from quaero.domain.job import Job
from quaero.storage.port import Ledger


def remembered(ledger: Ledger, key: str | None) -> list[int] | None:
    """The ids a request of this key was answered with; None if there was none."""
    if key is None:
        return None
    found = ledger.rows("select ids from idempotency where key = ?", (key,))
    return msgspec.json.decode(found[0][0], type=list[int]) if found else None


def remember(ledger: Ledger, key: str | None, ids: Sequence[int]) -> None:
    """Keep the answer to a key."""
    if key is not None:
        kept = msgspec.json.encode(list(ids)).decode()
        ledger.run("insert into idempotency(key, ids, at) values(?, ?, ?)", (key, kept, ledger.now))


def once(ledger: Ledger, key: str | None, make: Callable[[Ledger], Job]) -> tuple[Job, bool]:
    """The job that `make` makes, and True; or the one it made for this key before, and False.

    Raises Conflict when that one is gone, or the key was used for several jobs.
    """
    ids = remembered(ledger, key)
    if ids is None:
        job = make(ledger)
        remember(ledger, key, [job.id])
        return job, True
    if len(ids) != 1:
        raise Conflict(f"this Idempotency-Key was used for a request of {len(ids)} jobs: use a new key")
    known = ledger.load(ids).get(ids[0])
    if known is None:
        raise Conflict(f"job {ids[0]} of this Idempotency-Key was deleted: use a new key")
    return known, False
