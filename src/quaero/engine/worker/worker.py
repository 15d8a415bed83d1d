"""A worker: reserves jobs, has its executors run them, records what they tell. One round at a time.

    facts arrive ──┐
    bell, timers ──┴─> round: one transaction records the facts and reserves what fits ──> tasks to executors

The store is asked only when something happened: facts, a ring of the doorbell, a moment that was announced. While a
round commits, executors work on what they have and facts gather for the next one, so batches grow under load.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from functools import partial

from quaero.clock import Clock
from quaero.domain.errors import StoreUnavailable
from quaero.domain.facts import Ended, Fact, How, Lines
from quaero.doorbell.port import Doorbell
from quaero.engine.lifecycle import workers
from quaero.engine.lifecycle.round import Round, play
from quaero.engine.lifecycle.spawn import Memory
from quaero.engine.protocol import Ask, Broken, Delivered, Facts, FromExecutor, Orphans, Ready, SpawnAnswer
from quaero.engine.servicelog import ServiceLog
from quaero.engine.worker.catalogue import Catalogue
from quaero.engine.worker.chores import Chores
from quaero.engine.worker.clerk import Clerk
from quaero.engine.worker.config import AppBrokenError, WorkerConfig
from quaero.engine.worker.deliveries import Deliveries
from quaero.engine.worker.ears import Ears
from quaero.engine.worker.inbox import Inbox, spawned_in
from quaero.engine.worker.lease import Lease
from quaero.engine.worker.link import Link
from quaero.engine.worker.pace import Pace
from quaero.engine.worker.pool import Pool
from quaero.engine.worker.questions import answer_question
from quaero.engine.worker.solo import Solo
from quaero.engine.worker.timer import Timer
from quaero.engine.worker.watch import watch
from quaero.failpoints import failpoint
from quaero.storage.port import Store

log = logging.getLogger("quaero.worker")
PAUSE_SECONDS, STOPPING_SECONDS = 1.0, 0.05
STORE_RETRY_SECONDS = 0.2
LAST_WORDS_SECONDS = 5.0  # a killed executor's jobs are given back as soon as its pipe closes
LOOK_SECONDS = 0.25  # how often running jobs are checked against cancellations


class Worker:
    """Runs until `stop` is called and everything it runs has ended, or until its lease is lost."""

    def __init__(self, store: Store, bell: Doorbell, clock: Clock, config: WorkerConfig) -> None:
        self._store = store
        self._bell = bell
        self._clock = clock
        self._config = config
        self._pool = Pool(config.executors, config.setup, clock, self._heard, self._collect)
        self._deliveries = Deliveries(store, self._pool)
        self._clerk = Clerk(store, clock, lambda: self._root_id)
        self._inbox = Inbox()
        self._wake = asyncio.Event()
        self._hungry = True
        self._root_id = config.root_id
        self._pace = Pace()
        self._memory: Memory = {}
        self._solo = Solo(store, self._pool, clock, self._memory)
        self._stopping = False
        self._look, self._look_at = False, 0.0
        self._cancelling = False
        self._timer = Timer(clock, partial(self._stirred, look=False))
        self._is_known = False  # what can be run here is announced, or will be in a moment
        self._announced = asyncio.Event()
        self._failure: BaseException | None = None
        self.service = ServiceLog(store, clock)
        self.worker_id = 0
        self.on_ready: Callable[[], None] = lambda: None
        self.on_lost: Callable[[str], None] = lambda reason: None

    # --- the life of a worker

    async def run(self) -> None:
        """Register, work, leave. Raises AppBrokenError when the application cannot be imported."""
        async with self.service:
            await self._live()

    async def _live(self) -> None:
        who = (secrets.token_hex(16), socket.gethostname(), os.getpid())
        registered = self._store.write(workers.register, *who, round(self._config.lease * 1e6))
        self.worker_id = await asyncio.wait_for(registered, self._config.lease)
        self._deliveries.worker_id = self._clerk.worker_id = self.worker_id
        log.info("worker %d started: process %d on %s", self.worker_id, who[2], who[1])
        self._pool.fill()
        guard = Lease(self._store, self.worker_id, self._config, self._lose, self._pool.warden.until)
        ears = Ears(self._store, self._bell, self._clock, self._stirred)
        helpers = [asyncio.create_task(watch(self._pool, self._clock))]
        helpers += [
            asyncio.create_task(work())
            for work in (guard.keep, self._chores().do, self._deliveries.carry, ears.listen, self._clerk.work)
        ]
        for helper in helpers:
            helper.add_done_callback(self._helper_done)
        try:
            await self._rounds()
        finally:
            for helper in helpers:
                helper.cancel()
            await self._pool.close()
        if self._failure is not None:
            raise self._failure
        await self._clerk.put_down()
        await self._store.write(workers.leave, self.worker_id)
        log.info("worker %d left", self.worker_id)

    def _chores(self) -> Chores:
        config = self._config
        directory = config.definitions_dir
        catalogue = Catalogue(self._store, self._clock, directory) if directory is not None else None
        return Chores(
            self._store, self._clock, catalogue, config.jobs_retention, config.logs_retention, config.lease / 4,
            self._announced,
        )  # fmt: skip

    def work_on(self, root_id: int) -> None:
        """From now on take jobs of this tree only."""
        self._root_id = root_id
        self._hungry = True
        self._wake.set()

    def stop(self) -> None:
        """Drain: take nothing more, give running jobs the grace period. The second call ends them now."""
        if self._stopping:
            self._pool.kill()
        self._stopping = True
        self._wake.set()

    def _lose(self, reason: str) -> None:
        """The lease is gone or cannot be renewed: stop everything before somebody else runs it."""
        log.error("worker %d stops: %s", self.worker_id, reason)
        self._failure = self._failure or ConnectionError(reason)
        self._pool.kill()
        self._wake.set()
        self.on_lost(reason)

    def _helper_done(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
            self._wake.set()

    # --- rounds

    async def _rounds(self) -> None:
        drain_until = give_up = 0.0
        while self._failure is None:
            if self._stopping and not drain_until:
                drain_until = time.monotonic() + self._config.grace
                give_up = drain_until + LAST_WORDS_SECONDS
                await self._begin_drain()
            if self._stopping and not self._inbox and (not self._pool.held() or time.monotonic() >= give_up):
                return
            if drain_until and time.monotonic() >= drain_until:
                self._pool.kill()
            if not await self._round():
                await self._solo.run(self.worker_id)
                await self._pause()

    async def _pause(self) -> None:
        most = STOPPING_SECONDS if self._stopping else LOOK_SECONDS if self._look or self._cancelling else PAUSE_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most):
                await self._wake.wait()
        self._wake.clear()

    async def _round(self) -> bool:
        """One transaction, if there is anything to tell or to ask; whether there was."""
        facts = self._take_facts()
        wants = self._pool.wants(self._root_id, self._pace.limit) if self._hungry and not self._stopping else []
        look = self._look_due()
        if not facts and not wants and not look:
            return False
        held = self._pool.held() if look else []
        self._hungry = False
        failpoint("round.before_write")
        asked_at = time.monotonic()
        try:
            answer = await self._store.write(play, self.worker_id, facts, wants, self._memory, held)
        except StoreUnavailable as trouble:
            await self._wait_for_store(facts, trouble)
            return True
        failpoint("round.after_write")
        asked = sum(want.n for want in wants)
        got = len(answer.tasks) + len(answer.alone)
        self._pace.saw(len(facts) + spawned_in(facts) + got, answer.worked, time.monotonic() - asked_at - answer.waited)
        self._hungry = self._hungry or (got > 0 and got >= asked) or any(not isinstance(f, Lines) for f in facts)
        self._timer.set(answer.next_due)
        self._use(answer)
        if facts:
            self._deliveries.ring()
        await self._solo.run(self.worker_id, answer.alone)
        return True

    async def _wait_for_store(self, facts: list[Fact], trouble: StoreUnavailable) -> None:
        """Keep what was not recorded and try again; should it take too long, the lease ends us."""
        log.warning("recording has to wait: %s", trouble)
        self._inbox.put_back(facts)
        self._hungry = True
        self._pool.pause()
        await self._clock.sleep(STORE_RETRY_SECONDS)

    def _take_facts(self) -> list[Fact]:
        facts = self._inbox.take(self._pace.limit)
        if facts and not self._inbox:
            self._pool.resume()
        return facts

    def _look_due(self) -> bool:
        """Whether to compare what runs here with the store: after a ring, and while something is cancelled."""
        now = time.monotonic()
        if not (self._look or self._cancelling) or now < self._look_at:
            return False
        self._look = False
        self._look_at = now + LOOK_SECONDS
        return True

    def _use(self, answer: Round) -> None:
        self._cancelling = answer.cancelling
        if answer.closed:
            self._look, self._look_at = True, 0.0
        for reply in answer.recorded.answers:
            for link in self._pool.links:
                if reply.job_id in link.held:
                    link.send(SpawnAnswer(reply.job_id, reply.epoch, reply.token, reply.ids, reply.error))
        lost = answer.stop + [job_id for job_id, _ in answer.recorded.stale]
        if lost:
            self._pool.forget(set(lost))
            self._pool.stop_jobs(lost, self._config.grace)
        failpoint("round.before_dispatch")
        self._pool.give(answer.tasks)

    async def _begin_drain(self) -> None:
        log.info("worker %d takes nothing more and waits for %d jobs", self.worker_id, len(self._pool.held()))
        await self._store.write(workers.drain, self.worker_id)
        now = self._clock.now()
        self._collect([Ended(t.job_id, t.epoch, now, 0, How.UNTOUCHED) for t in self._pool.drain()])

    # --- what executors say

    def _heard(self, link: Link, message: FromExecutor) -> None:
        match message:
            case Facts(facts):
                self._collect(facts)
            case Ready():
                self._executor_ready(link, message)
            case Ask():
                asyncio.get_running_loop().create_task(answer_question(self._store, link, message))
            case Orphans():
                self.service.take(message)
            case Delivered():
                self._deliveries.answered(message)
            case Broken():
                self._failure = self._failure or AppBrokenError(message.message)
                self._wake.set()

    def _collect(self, facts: list[Fact]) -> None:
        self._inbox.add(facts)
        if self._inbox.is_overfull:
            self._pool.pause()
        self._pool.feed()
        self._wake.set()

    def _executor_ready(self, link: Link, ready: Ready) -> None:
        link.ready = link.was_ready = True
        self._pool.announce(ready.kinds)
        self._hungry = True
        if not self._is_known:
            self._is_known = True
            self._deliveries.subscriptions = ready.subscriptions
            task = asyncio.get_running_loop().create_task(self._announce(ready))
            task.add_done_callback(self._helper_done)
        self._deliveries.ring()
        self._wake.set()

    async def _announce(self, ready: Ready) -> None:
        attempts = self._config.max_attempts
        await self._store.write(workers.announce, self.worker_id, ready.kinds, ready.subscriptions, attempts)
        self._announced.set()
        self.on_ready()

    # --- watching

    def _stirred(self, *, look: bool) -> None:
        """Something moved, or its time has come: claim, and (`look`) compare what runs here with the store."""
        self._hungry = True
        self._look = self._look or look
        self._wake.set()
        self._clerk.stir()
