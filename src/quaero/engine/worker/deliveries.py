"""Carries events to subscribers through an executor, apart from the jobs' rounds."""

import asyncio
import contextlib

import msgspec

from quaero.engine.lifecycle.deliveries import Delivery, settle_delivery, take_deliveries
from quaero.engine.protocol import Deliver, Delivered
from quaero.engine.worker.link import Link
from quaero.engine.worker.pool import Pool
from quaero.storage.port import Store

AT_ONCE = 64
LOOK_SECONDS = 1.0
ANSWER_SECONDS = 60.0


class Deliveries:
    """Takes due events, hands them to an executor, records what became of them; until cancelled."""

    def __init__(self, store: Store, pool: Pool) -> None:
        self._store = store
        self._pool = pool
        self._answers: dict[int, asyncio.Future[str | None]] = {}
        self._ring = asyncio.Event()
        self.subscribers: tuple[str, ...] = ()
        self.worker_id = 0

    def ring(self) -> None:
        """Something was recorded: look now."""
        self._ring.set()

    def answered(self, message: Delivered) -> None:
        """An executor is through with an event."""
        answer = self._answers.pop(message.delivery_id, None)
        if answer is not None and not answer.done():
            answer.set_result(message.error)

    async def carry(self) -> None:
        """Look for due events, now and then and after every ring."""
        while True:
            taken = 0
            if self.subscribers and (link := self._pool.any_ready()) is not None:
                batch = await self._store.write(take_deliveries, self.worker_id, self.subscribers, AT_ONCE)
                await asyncio.gather(*(self._carry_one(link, delivery) for delivery in batch))
                taken = len(batch)
            if not taken:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._ring.wait()
            self._ring.clear()

    async def _carry_one(self, link: Link, delivery: Delivery) -> None:
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._answers[delivery.id] = answer
        event_name = msgspec.json.decode(delivery.event)["type"]
        link.send(Deliver(delivery.id, delivery.subscriber, event_name, delivery.event))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                error = await answer
        except TimeoutError:
            error = f"no answer within {ANSWER_SECONDS:g} s"
        finally:
            self._answers.pop(delivery.id, None)
        await self._store.write(settle_delivery, self.worker_id, delivery, error)
