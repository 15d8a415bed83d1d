"""Jobs under suspicion: lost again and again before their start was recorded, perhaps because of what they do.

Each gets an executor to itself, and its start is recorded before it runs: should it take that process down as well,
the attempt has counted, and a poisonous job comes to an end. Everybody else's work goes on beside it.
"""

import logging
from collections.abc import Sequence

from quaero.clock import Clock
from quaero.domain.errors import StoreUnavailable
from quaero.domain.facts import Began, Fact
from quaero.engine.lifecycle.round import play
from quaero.engine.lifecycle.spawn import Memory
from quaero.engine.protocol import Task
from quaero.engine.worker.pool import Pool
from quaero.storage.port import Store

log = logging.getLogger("quaero.worker")


class Solo:
    """Runs one worker's suspects as executors come free for them."""

    def __init__(self, store: Store, pool: Pool, clock: Clock, memory: Memory) -> None:
        self._store = store
        self._pool = pool
        self._clock = clock
        self._memory = memory

    async def run(self, worker_id: int, more: Sequence[Task] = ()) -> None:
        """Take `more`, and begin those there is an executor for now."""
        self._pool.set_apart(more)
        chosen = self._pool.choose_alone()
        if not chosen:
            return
        began: list[Fact] = [Began(task.job_id, task.epoch, self._clock.now()) for _, task in chosen]
        held = [(task.job_id, task.epoch) for _, task in chosen]
        try:
            answer = await self._store.write(play, worker_id, began, (), self._memory, held)
        except StoreUnavailable as trouble:
            log.warning("a start has to wait: %s", trouble)
            self._pool.not_yet(chosen)
            return
        self._pool.run_alone(chosen, answer.stop)
