"""Carries events to subscribers through an executor, apart from the jobs' rounds."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

import msgspec

from quaero.domain.errors import StoreUnavailable
from quaero.engine.lifecycle.deliveries import (
    Delivery,
    Subscription,
    settle_delivery,
    stay_subscribed,
    take_deliveries,
)
from quaero.engine.protocol import Deliver, Delivered
from quaero.engine.worker.link import Link
from quaero.engine.worker.pool import Pool
from quaero.storage.port import Ledger, Store

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger("quaero.deliveries")

AT_ONCE = 64
LOOK_SECONDS = 1.0
SAID_EVERY = 3_600.0  # seconds
ANSWER_SECONDS = 60.0
_TOO_LATE = f"no answer within {ANSWER_SECONDS:g} s"


class Deliveries:
    """Takes due events, hands them to an executor, records what became of them; until cancelled."""

    def __init__(self, store: Store, pool: Pool) -> None:
        self._store = store
        self._pool = pool
        self._answers: dict[int, asyncio.Future[str | None]] = {}
        self._ring = asyncio.Event()
        self._said_at = time.monotonic()
        self.subscriptions: Sequence[Subscription] = ()
        self.worker_id = 0

    def ring(self) -> None:
        """Something was recorded, or an executor is there: look now."""
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
            await self._stay_subscribed()
            if self.subscriptions and await self._is_any_there() and self._pool.for_events() is not None:
                names = tuple({name for _, name in self.subscriptions})
                batch = await self._patiently(take_deliveries, self.worker_id, names, AT_ONCE)
                await asyncio.gather(*map(self._carry_one, batch))
                taken = len(batch)
            if not taken:
                await self._a_ring()
            self._ring.clear()

    async def _stay_subscribed(self) -> None:
        """Those of whom nobody says that they are there are forgotten after a week; the start has said it once."""
        now = time.monotonic()
        if self.subscriptions and now >= self._said_at + SAID_EVERY:
            self._said_at = now
            await self._patiently(stay_subscribed, self.subscriptions)

    async def _a_ring(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._ring.wait()

    async def _is_any_there(self) -> bool:
        """Whether there is anything to take: asked first, because taking is a write."""
        with contextlib.suppress(StoreUnavailable):
            return bool(await self._store.rows("select 1 from delivery where owner is null limit 1"))
        return False

    async def _carry_one(self, delivery: Delivery) -> None:
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._answers[delivery.id] = answer
        event_name = msgspec.json.decode(delivery.event)["type"]
        link = await self._executor()
        link.send(Deliver(delivery.id, delivery.subscriber, event_name, delivery.event))
        until = time.monotonic() + ANSWER_SECONDS
        while not answer.done() and link.ready and time.monotonic() < until:
            await asyncio.wait({answer}, timeout=LOOK_SECONDS)
        self._answers.pop(delivery.id, None)
        error = answer.result() if answer.done() else "its executor was lost" if not link.ready else _TOO_LATE
        await self._patiently(settle_delivery, self.worker_id, delivery, error)

    async def _executor(self) -> Link:
        """One that answers soon: chosen when there is something to send, not before it was taken from the store, or it
        could have begun a plain function meanwhile and would answer after that."""
        while (link := self._pool.for_events()) is None:
            self._ring.clear()
            await self._a_ring()
        return link

    async def _patiently(self, script: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Write, for as long as it takes: what was taken must be settled, or nobody else would ever get it."""
        while True:
            try:
                return await self._store.write(script, *args, **kwargs)
            except StoreUnavailable as trouble:
                log.warning("deliveries have to wait: %s", trouble)
                await asyncio.sleep(LOOK_SECONDS)
