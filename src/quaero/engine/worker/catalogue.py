"""Keeps the store's definitions in step with the files of the definitions directory.

Files are read when the worker starts and whenever one of them changed. A file that is wrong is told once and leaves
what the store has as it was; a definition whose file is gone is forgotten.
"""

import asyncio
import logging
from pathlib import Path

from quaero.clock import Clock
from quaero.domain.definitions import Definition, load_dir, next_fire, to_stored
from quaero.engine.lifecycle.definitions import forget_definitions, run_definition, save_definition
from quaero.storage.port import Store

log = logging.getLogger("quaero.definitions")
SOURCE = "file"


class Catalogue:
    """The definitions directory of one worker."""

    def __init__(self, store: Store, clock: Clock, directory: str) -> None:
        self._store = store
        self._clock = clock
        self._directory = Path(directory)
        self._seen: tuple[tuple[str, int], ...] | None = None
        self._started = False

    async def refresh(self) -> None:
        """Read the directory if anything in it changed; run what starts by itself, once in a worker's life."""
        stamp = await asyncio.to_thread(self._stamp)
        if stamp == self._seen:
            return
        self._seen = stamp
        loaded = await asyncio.to_thread(load_dir, self._directory)
        for problem in loaded.problems:
            log.warning("%s", problem)
        for definition in loaded.definitions:
            await self._save(definition)
        kept = [definition.id for definition in loaded.definitions]
        if not loaded.problems:
            await self._store.write(forget_definitions, SOURCE, kept)
        if not self._started:
            self._started = True
            for definition in loaded.definitions:
                if definition.auto_start and definition.enabled:
                    await self._store.write(run_definition, definition, f"auto:{definition.id}")

    def _stamp(self) -> tuple[tuple[str, int], ...]:
        files = self._directory.glob("*.toml") if self._directory.is_dir() else ()
        return tuple(sorted((file.name, file.stat().st_mtime_ns) for file in files))

    async def _save(self, definition: Definition) -> None:
        due = next_fire(definition.schedule, self._clock.now()) if definition.schedule else 0
        await self._store.write(save_definition, definition, SOURCE, to_stored(definition).decode(), due)
