"""Keeps the store's definitions in step with the files of the definitions directory.

Files are read when the worker starts and whenever one of them changed. A file that is wrong is told once and leaves
what the store has as it was; a definition whose file is gone is forgotten. One that names a kind nobody has announced
yet becomes runnable, and starts if it starts by itself, once somebody has.
"""

import asyncio
import logging
from pathlib import Path

from quaero.clock import Clock
from quaero.domain.definitions import Definition, load_dir, next_fire, to_stored
from quaero.engine.lifecycle.catalogue import FILE, check_again, forget_definitions, readable, save_definition
from quaero.engine.lifecycle.definitions import run_definition
from quaero.storage.port import Store

log = logging.getLogger("quaero.definitions")
NAMED = 20  # in one line of the log


class Catalogue:
    """The definitions directory of one worker."""

    def __init__(self, store: Store, clock: Clock, directory: str) -> None:
        self._store = store
        self._clock = clock
        self._directory = Path(directory)
        self._seen: tuple[tuple[str, int], ...] | None = None
        self._to_start: list[Definition] | None = None  # None: the directory was not read yet

    async def refresh(self) -> None:
        """Read the directory if anything in it changed; run what starts by itself, once in a worker's life."""
        stamp = await asyncio.to_thread(self._stamp)
        if stamp != self._seen:
            self._seen = stamp
            await self._load()
        known = {kind for (kind,) in await self._store.rows("select kind from kind")}
        await self._look_again(known)
        for definition in [one for one in self._to_start or () if one.kinds <= known]:
            root_id = await self._store.write(run_definition, definition, f"auto:{definition.id}")
            log.info("definition %s started by itself: job %d", definition.id, root_id)
            self._to_start = [one for one in self._to_start or () if one is not definition]

    async def _load(self) -> None:
        loaded = await asyncio.to_thread(load_dir, self._directory)
        for problem in loaded.problems:
            log.warning("definition refused: %s", problem)
        for definition in loaded.definitions:
            await self._save(definition)
        kept = [definition.id for definition in loaded.definitions]
        if kept:
            log.info("read %d definitions: %s", len(kept), ", ".join(kept[:NAMED]))
        if not loaded.problems:
            await self._store.write(forget_definitions, FILE, kept)
        if self._to_start is None:
            rows = await self._store.rows("select body from definition where source <> ?", (FILE,))
            others = [one for (body,) in rows if (one := readable(body)) is not None]
            self._to_start = [one for one in (*loaded.definitions, *others) if one.auto_start and one.enabled]

    async def _look_again(self, known: set[str]) -> None:
        """Definitions that could not run because a kind was unknown may be able to now."""
        rows = await self._store.rows("select body from definition where problem is not null")
        found = [definition for (body,) in rows if (definition := readable(body)) is not None]
        if any(definition.kinds <= known for definition in found):
            await self._store.write(check_again)

    def _stamp(self) -> tuple[tuple[str, int], ...]:
        files = self._directory.glob("*.toml") if self._directory.is_dir() else ()
        return tuple(sorted((file.name, _changed_at(file)) for file in files))

    async def _save(self, definition: Definition) -> None:
        due = next_fire(definition.schedule, self._clock.now()) if definition.schedule else 0
        await self._store.write(save_definition, definition, FILE, to_stored(definition).decode(), due)


def _changed_at(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:  # gone since it was listed, or a link that leads nowhere: reading it will say so
        return 0
