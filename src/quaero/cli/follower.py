"""Entries of a tree's journal from a position on: history first, then what is recorded, by the same reads.

A doorbell may say when to look again; losing every ring costs a delay, never an entry.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from quaero.domain.entries import Entry
from quaero.storage.port import EntryFilter, EntryPage

POLL_SECONDS = 0.2
PAGE = 1_000


class Journals(Protocol):
    """Where entries are read: a store, or whatever reads like one."""

    async def entries(
        self, root_id: int, where: EntryFilter, *, after: int = 0, limit: int = 1000, descending: bool = False
    ) -> EntryPage:
        """As `storage.port.Store.entries`."""


async def _poll() -> None:
    await asyncio.sleep(POLL_SECONDS)


class Follower:
    """Reads one scope of one tree. `position` is how far it has looked; a new one may start from there."""

    def __init__(
        self,
        journals: Journals,
        root_id: int,
        where: EntryFilter,
        *,
        after: int = 0,
        wait: Callable[[], Awaitable[None]] = _poll,
    ) -> None:
        self.position = after
        self._journals = journals
        self._root_id = root_id
        self._where = where
        self._wait = wait

    async def news(self) -> AsyncIterator[list[Entry]]:
        """Pages of what there is beyond the position, up to the head of this moment."""
        while True:
            page = await self._journals.entries(self._root_id, self._where, after=self.position, limit=PAGE)
            self.position = max(self.position, page.scanned_to)
            if page.entries:
                yield page.entries
            if self.position >= page.head:
                return

    async def follow(self, is_over: Callable[[], Awaitable[bool]]) -> AsyncIterator[list[Entry]]:
        """Pages for as long as `is_over` says no, and then the rest: what was recorded before it said yes."""
        while True:
            over = await is_over()
            async for page in self.news():
                yield page
            if over:
                return
            await self._wait()
