"""A worker played by hand: reserve, tell facts, record, without processes or handlers.

What a real worker does over its executors, a test does here step by step, in whatever order it likes. Every method is
one write to the store, so the order of the calls is the order of the commits.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence

from quaero.domain.entries import Level
from quaero.domain.facts import Child, Fact, How
from quaero.domain.job import Job
from quaero.engine.lifecycle import workers
from quaero.engine.lifecycle.record import Recorded, record
from quaero.engine.lifecycle.reserve import reserve
from quaero.engine.lifecycle.round import Round, play
from quaero.engine.lifecycle.spawn import Memory
from quaero.engine.protocol import KindInfo
from quaero.storage.port import Ledger, Store, Want
from quaero.testing.factories import KIND, a_kind, began, ended, lines, spawned

LEASE = 20_000_000  # microseconds
PLENTY = 10_000


class Hand:
    """One worker of a store. Make it with `Hand.start`."""

    def __init__(self, store: Store, worker_id: int, kinds: Sequence[str]) -> None:
        self.store = store
        self.worker_id = worker_id
        self.kinds = tuple(kinds)
        self.memory: Memory = {}

    @classmethod
    async def start(cls, store: Store, kinds: Sequence[KindInfo | str] = (KIND,), lease: int = LEASE) -> "Hand":
        """Register a worker and announce its kinds. `lease` in microseconds."""
        infos = [a_kind(kind) if isinstance(kind, str) else kind for kind in kinds]

        def register(ledger: Ledger) -> int:
            worker_id = workers.register(ledger, secrets.token_hex(8), "here", 1, lease)
            workers.announce(ledger, worker_id, infos)
            return worker_id

        return cls(store, await store.write(register), [info.kind for info in infos])

    def want(self, n: int = PLENTY, kinds: Sequence[str] | None = None, root_id: int | None = None) -> Want:
        """This worker's appetite."""
        return Want(tuple(kinds or self.kinds), n, root_id)

    def taking(self, n: int = PLENTY) -> Callable[[Ledger], list[Job]]:
        """A script that reserves."""
        return lambda ledger: reserve(ledger, self.worker_id, [self.want(n)])

    def telling(self, *facts: Fact) -> Callable[[Ledger], Recorded]:
        """A script that records facts."""
        return lambda ledger: record(ledger, self.worker_id, facts, self.memory)

    async def take(self, n: int = PLENTY, kinds: Sequence[str] | None = None, root_id: int | None = None) -> list[Job]:
        """Reserve up to `n` ready jobs."""
        return await self.store.write(reserve, self.worker_id, [self.want(n, kinds, root_id)])

    async def tell(self, *facts: Fact) -> Recorded:
        """Record facts in one commit."""
        return await self.store.write(self.telling(*facts))

    async def play(self, facts: Sequence[Fact] = (), n: int = 0, held: Sequence[Job] = ()) -> Round:
        """A real worker's round: record, learn what to stop, take what comes next."""
        pairs = [(job.id, job.epoch) for job in held]
        wants = [self.want(n)] if n else []
        return await self.store.write(play, self.worker_id, list(facts), wants, self.memory, pairs)

    async def begin(self, *jobs: Job) -> None:
        """Their handlers have begun."""
        await self.tell(*(began(job) for job in jobs))

    async def say(self, job: Job, *messages: str, level: Level = Level.INFO) -> Recorded:
        """Log lines of a job."""
        return await self.tell(lines(job, *messages, level=level))

    async def spawn(self, job: Job, children: Iterable[Child]) -> list[int]:
        """Spawn children and return their ids. Raises AssertionError with the store's words when it refuses."""
        [answer] = (await self.tell(spawned(job, children))).answers
        if answer.error is not None:
            raise AssertionError(answer.error)
        return answer.ids

    async def end(self, *jobs: Job, how: How = How.COMPLETED) -> Recorded:
        """Their attempts are over."""
        return await self.tell(*(ended(job, how) for job in jobs))

    async def drain(self, how: Callable[[Job], How] = lambda job: How.COMPLETED, n: int = PLENTY) -> list[Job]:
        """Take and end jobs until nothing is ready; all that were taken, in order."""
        taken: list[Job] = []
        while jobs := await self.take(n):
            taken += jobs
            await self.tell(*(ended(job, how(job)) for job in jobs))
        return taken

    async def renew(self, lease: int = LEASE) -> bool:
        """Prolong the lease; False when it was swept."""
        return await self.store.write(workers.renew, self.worker_id, lease)

    async def leave(self) -> int:
        """Go, giving back everything."""
        return await self.store.write(workers.leave, self.worker_id)
