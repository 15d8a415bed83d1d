"""An event loop whose time leaps, and a store that answers on it as late as chance will have it.

Nothing waits for a thread or for real time, so what happens in a history follows from its seed alone.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any, Concatenate, ParamSpec, TypeVar

from quaero.domain.errors import StoreUnavailable
from quaero.storage.port import Ledger
from quaero.storage.sqlstore import SqlStore
from quaero.testing.clock import START

P = ParamSpec("P")
T = TypeVar("T")
PATIENCE = 30.0


class _Leaping(selectors.SelectSelector):
    """Where others would wait for something to happen, the time is moved instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None:
            self.now += timeout
            return super().select(0)
        found = super().select(PATIENCE)  # for a thread: that of a store that is closed
        assert found, "everybody waits, and nothing will ever happen"
        return found


class _LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=_LeapingLoop) as runner:
        return runner.run(main)


async def pass_time(seconds: float) -> None:
    """Let virtual time go by: nobody waits for it."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    alarm = loop.call_later(seconds, over.set)
    try:
        await over.wait()
    finally:
        alarm.cancel()


class LoopClock:
    """The time of the loop (implements `quaero.clock.Clock`)."""

    def now(self) -> int:
        return START + round(self.monotonic() * 1_000_000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await pass_time(seconds)


class Chance:
    """What is decided by the seed: how long everything takes, and what fails."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.failing = self.rng.choice([0.0, 0.0, 0.004])
        self.longest = self.rng.choice([0.02, 0.3, 1.5])

    async def pause(self) -> None:
        """Anything from no turn of the loop to a while."""
        how = self.rng.random()
        if how < 0.4:
            return
        if how < 0.8:
            for _ in range(self.rng.randrange(1, 6)):
                await asyncio.sleep(0)
        else:
            await pass_time(self.rng.uniform(0, self.longest))


class LateStore(SqlStore):
    """Reads take as long as chance says, before and after they see their moment; some fail. Writes take no time."""

    chance: Chance | None = None

    def at_once(self, sql: str, *params: int) -> list[tuple[Any, ...]]:
        """What stands in the tables now."""
        return self._with_reader(lambda db: db.rows(sql, params), ())

    async def write(self, script: Callable[Concatenate[Ledger, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        answer: T = self._commits.submit(script, args, kwargs).result()
        return answer

    async def _read_in(self, pool: ThreadPoolExecutor, read: Callable[..., T], *args: Any) -> T:
        chance = self.chance
        if chance is None:
            return self._with_reader(read, args)
        await chance.pause()
        if chance.rng.random() < chance.failing:
            raise StoreUnavailable("by chance")
        answer = self._with_reader(read, args)
        await chance.pause()
        return answer


class Bell:
    """A doorbell that rings when somebody pulls it (implements `doorbell.port.Doorbell`)."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self, trees: Collection[int] = (), work: bool = True) -> None:
        self._rung.set()

    def heed(self, trees: Collection[int], work: bool) -> None:
        """It heeds everything."""

    async def wait(self, timeout: float) -> bool:
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

    def close(self) -> None:
        """There is nothing to close."""
