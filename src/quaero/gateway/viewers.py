"""Every viewer of this gateway process who stays: so that each can be counted, and sent away.

    with viewers.staying(viewer): ...       # a stream or a WebSocket, for as long as it is served

Whose credential ceases to count is the gate's affair: it cancels the task that serves them.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Viewer(Protocol):
    """Whoever is served for longer than an answer takes. `sort` is `stream` or `socket`."""

    sort: str

    def leave(self, retry_ms: int) -> None:
        """Say goodbye (`bye`: come again in so many milliseconds, with the same cursor) and end soon."""

    def close(self) -> None:
        """End at once."""


class Viewers:
    """See the module."""

    def __init__(self) -> None:
        self._all: set[Viewer] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._retry_ms: Iterator[int] | None = None

    def __len__(self) -> int:
        return len(self._all)

    def by_sort(self) -> dict[str, int]:
        """How many there are of each sort."""
        return {**dict.fromkeys(("stream", "socket"), 0), **Counter(viewer.sort for viewer in self._all)}

    @contextmanager
    def staying(self, viewer: Viewer) -> Iterator[None]:
        """Know a viewer for the length of a block."""
        self._all.add(viewer)
        self._none_left.clear()
        if self._retry_ms is not None:
            viewer.leave(next(self._retry_ms))
        try:
            yield
        finally:
            self._all.discard(viewer)
            if not self._all:
                self._none_left.set()

    def send_away(self, retry_ms: Iterator[int]) -> None:
        """Ask everybody to leave, each with the next delay; so is whoever still comes."""
        self._retry_ms = retry_ms
        for viewer in list(self._all):
            viewer.leave(next(retry_ms))

    def close_all(self) -> None:
        """End everybody at once."""
        for viewer in list(self._all):
            viewer.close()

    async def gone(self) -> None:
        """Wait until nobody stays."""
        await self._none_left.wait()
