"""Who did what: one entry for every mutation that reached a route, and for every login that failed.

Entries wait for nothing but the commit before: while one batch is written the next gathers, so a busy server pays one
statement per commit and an idle one nothing. They are written right after the answer, not before it. The oldest go
after `auth.audit_retention`, and beyond `MOST` entries.
"""

import asyncio
import logging
from collections import deque
from itertools import chain
from typing import NamedTuple

from quaero.domain.errors import QuaeroError
from quaero.storage.port import Ledger, Store

MOST = 1_000_000
MOST_WAITING = 100_000
TIDY_EVERY = 1_000  # entries
SIZES = (100, 10, 1)  # entries in one statement

_log = logging.getLogger(__name__)


class Deed(NamedTuple):
    """One thing somebody did; `at` in microseconds since the epoch, `status` the HTTP status of the answer."""

    at: int
    who: str
    address: str
    action: str
    target: str
    status: int


class AuditRow(NamedTuple):
    """A deed as it is kept."""

    id: int
    deed: Deed


def keep_deeds(ledger: Ledger, deeds: list[Deed]) -> None:
    """Add entries, a few statements of fixed sizes for many of them."""
    start = 0
    for size in SIZES:
        while len(deeds) - start >= size:
            some = deeds[start : start + size]
            rows = ", ".join(["(?, ?, ?, ?, ?, ?)"] * size)
            ledger.run(
                f"insert into audit(at, who, address, action, target, status) values {rows}",
                tuple(chain.from_iterable(some)),
            )
            start += size


def forget_deeds(ledger: Ledger, retention: int) -> None:
    """Remove what is older than `retention` (microseconds), or too much."""
    ledger.run("delete from audit where at < ?", (ledger.now - retention,))
    ledger.run("delete from audit where id <= (select max(id) from audit) - ?", (MOST,))


async def list_deeds(store: Store, *, before: int | None, limit: int) -> list[AuditRow]:
    """Entries, newest first, from below the id `before`."""
    where, params = ("where id < ? ", [before]) if before is not None else ("", [])
    sql = f"select id, at, who, address, action, target, status from audit {where}order by id desc limit ?"
    return [AuditRow(row[0], Deed(*row[1:])) for row in await store.rows(sql, [*params, limit])]


class Audit:
    """The audit of one gateway process."""

    def __init__(self, store: Store, retention: int) -> None:
        self._store = store
        self._retention = retention
        self._waiting: deque[Deed] = deque()
        self._lost = 0
        self._kept = 0
        self._writing: asyncio.Task[None] | None = None

    def note(self, deed: Deed) -> None:
        """Take an entry; it is written as soon as those before it are."""
        if len(self._waiting) >= MOST_WAITING:
            self._lost += 1
            return
        self._waiting.append(deed)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="quaero-audit")

    async def written(self) -> None:
        """Wait until every entry taken so far is kept, or cannot be."""
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        while self._waiting:
            batch = list(self._waiting)
            self._waiting.clear()
            try:
                await self._store.write(keep_deeds, batch)
            except QuaeroError as error:
                self._lost += len(batch)
                _log.error("%d entries of the audit are lost: %s", self._lost, error)
                return
            if self._kept // TIDY_EVERY != (self._kept + len(batch)) // TIDY_EVERY:
                await self._store.write(forget_deeds, self._retention)
            self._kept += len(batch)
