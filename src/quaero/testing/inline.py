"""Run jobs of an application in this process, for tests of handlers: no server, no executor processes, no waiting.

    async with quaero.testing.inline(app) as run:
        job = await run("myapp.fetch", url="https://example.org/")
        assert job.status == "completed"

A job and all it spawns run against a real store in a temporary folder, through the same scripts and with the same
`JobContext` as anywhere else. Time is a clock of its own, moved on whenever nothing can run before: delays and
back-offs cost nothing. Not done here is what takes a process: a plain function runs in a thread, so it can be asked to
stop but not killed, and the output of programs it starts is not in its log.
"""

import asyncio
import importlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from quaero.app import open_store
from quaero.domain.events import DURABLE, Event
from quaero.engine.executor.application import BUILTIN, ready_to_run
from quaero.engine.executor.deliveries import deliver
from quaero.engine.lifecycle import workers
from quaero.engine.lifecycle.deliveries import settle_delivery, take_deliveries
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.engine.lifecycle.round import Round, play
from quaero.engine.lifecycle.spawn import Memory
from quaero.engine.orders import encode_payload, merged
from quaero.engine.protocol import Deliver
from quaero.engine.registry import App
from quaero.settings import Settings
from quaero.settings.sections import StoreSection
from quaero.storage.port import Ledger, Store, Want
from quaero.testing.clock import FakeClock
from quaero.testing.finished import FinishedJob, finished_tree
from quaero.testing.host import InlineHost

AT_ONCE = 100
FOR_EVER = 10**15  # microseconds
LISTENER = "quaero.testing.inline"

_events = msgspec.json.Decoder(Event)


@asynccontextmanager
async def inline(app: App, **settings: Mapping[str, Any]) -> AsyncIterator["Inline"]:
    """What runs jobs of `app`, for the length of a block.

    `settings` are sections the built-in kinds read: `crawler={"allow_networks": [...]}`, `command={"enabled": True}`.
    """
    whole = App()
    whole.include(importlib.import_module(BUILTIN).builtin({name: dict(given) for name, given in settings.items()}))
    whole.include(app)
    clock = FakeClock(time.time_ns() // 1_000)
    with tempfile.TemporaryDirectory(prefix="quaero-inline-") as folder:
        url = f"sqlite:///{folder}/inline.db"
        async with open_store(Settings(store=StoreSection(url=url)), clock) as store:
            runner = Inline(store, clock, whole)
            await runner.announce()
            yield runner


class Inline:
    """Runs one tree at a time. `clock` is the time its jobs live in, `store` what they leave behind."""

    def __init__(self, store: Store, clock: FakeClock, app: App) -> None:
        self.store = store
        self.clock = clock
        self._app = app
        self._application = ready_to_run(app)
        self._memory: Memory = {}
        self._worker_id = 0
        self._turn = asyncio.Lock()

    async def announce(self) -> None:
        """Register as the store's one worker, and as a subscriber to everything."""
        self._worker_id = await self.store.write(workers.register, LISTENER, "inline", 0, FOR_EVER)
        everything = [(event.__name__, LISTENER) for event in DURABLE]
        subscribed = [*self._app.subscribers, *everything]
        kinds = self._application.announcements
        await self.store.write(workers.announce, self._worker_id, kinds, subscribed)

    async def __call__(
        self, kind: str | Callable[..., Any], payload: Mapping[str, Any] | None = None, /, **fields: Any
    ) -> FinishedJob:
        """Run a job of a kind (its name or its function) and all it spawns to the end; the finished job.

        A job that fails is an answer, not an error. Raises InvalidInput for a kind nobody registered or a payload
        that is none.
        """
        body = encode_payload(merged(payload or {}, fields))
        async with self._turn:
            [root] = await self.store.write(enqueue, [NewJob(self._app.kind_of(kind), body)])
            with InlineHost(self._application, self.store) as host:
                await self._run(host, root.id)
                events = await self._deliver()
        return await finished_tree(self.store, root.id, events)

    async def _run(self, host: InlineHost, root_id: int) -> None:
        """Play rounds until the tree is closed."""
        wants = [Want(tuple(self._application.runnable), AT_ONCE)]
        while True:
            facts = host.facts()
            answer = await self.store.write(play, self._worker_id, facts, wants, self._memory, host.held)
            host.answer(answer)
            if answer.tasks or answer.alone or answer.closed:
                continue
            if host.held:
                await host.stirred()
            elif not host.has_facts and await self._is_over(root_id):
                return
            elif not host.has_facts:
                self._move_on(root_id, answer)

    async def _is_over(self, root_id: int) -> bool:
        root = await self.store.job(root_id)
        return root is None or root.is_terminal

    def _move_on(self, root_id: int, answer: Round) -> None:
        """Nothing can run now: let it be later."""
        if not answer.next_due and not answer.cancelling:
            raise RuntimeError(f"nothing can run any more and job {root_id} has not ended: this is a bug of Quaero")
        self.clock.move(max(0, answer.next_due - self.clock.now()) / 1e6 if answer.next_due else 1)

    async def _deliver(self) -> list[Event]:
        """Tell the application's subscribers everything; what happened, in order."""
        happened = await self.store.write(_take_all)
        names = tuple({name for _, name in self._app.subscribers})
        while (due := await self.store.rows("select min(due_at) from delivery")) != [(None,)]:
            self.clock.move(max(0, due[0][0] - self.clock.now()) / 1e6)
            batch = await self.store.write(take_deliveries, self._worker_id, names, AT_ONCE)
            for delivery in batch:
                name = msgspec.json.decode(delivery.event)["type"]
                error = await deliver(self._app, Deliver(delivery.id, delivery.subscriber, name, delivery.event))
                await self.store.write(settle_delivery, self._worker_id, delivery, error)
        return [_events.decode(body) for body in happened]


def _take_all(ledger: Ledger) -> list[bytes]:
    """The events recorded for us, oldest first; they are taken out."""
    rows = ledger.rows("select event from delivery where subscriber = ? order by id", (LISTENER,))
    ledger.run("delete from delivery where subscriber = ?", (LISTENER,))
    return [body for (body,) in rows]
