"""A tree that grows at random: who begins, speaks, spawns and ends is decided by chance."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

from tests.unit.gateway.virtual import LateStore

from quaero.domain.entries import Entry, Level
from quaero.domain.facts import Fact, How
from quaero.domain.job import Job
from quaero.domain.status import FAILED
from quaero.gateway.childrange import parse_children
from quaero.gateway.scope import level_of
from quaero.gateway.topics import Subscribe
from quaero.testing.bench import Bench
from quaero.testing.factories import a_child, a_definition, a_step, an_error, ended, lines, spawned

LEVELS = (Level.DEBUG, Level.INFO, Level.WARN, Level.ERROR)


class Growth:
    """One tree, by hand. Its jobs are known here by what they are asked to do, not by what the gateway reads."""

    def __init__(self, bench: Bench, store: LateStore, rng: Random, root_id: int, steps: dict[str, int]) -> None:
        self.root_id = root_id
        self.steps = steps
        self.parents: dict[int, int | None] = {}
        self._bench = bench
        self._store = store
        self._rng = rng
        self._held: list[Job] = []
        self._said = 0

    @classmethod
    async def begin(cls, bench: Bench, store: LateStore, rng: Random) -> Growth:
        """A root that has begun, with or without steps."""
        if rng.random() < 0.5:
            root_id, steps = await bench.definition(a_definition(a_step("one"), a_step("two")))
        else:
            root_id, steps = await bench.root(), {}
        growth = cls(bench, store, rng, root_id, steps)
        await growth._begin()
        await growth._spawn()
        growth._look()
        return growth

    async def step(self) -> None:
        """One commit, of whatever sort."""
        moves: list[Callable[[], Awaitable[object]]] = [
            self._begin, self._begin, self._say, self._say, self._say, self._spawn, self._mix, self._end, self._retry
        ]  # fmt: skip
        await self._rng.choice(moves)()
        self._look()

    @property
    def head(self) -> int:
        """How far its journal goes, now."""
        ((head,),) = self._store.at_once("select journal_head from job where id = ?", self.root_id)
        return int(head)

    async def finish(self) -> None:
        """End everything."""
        while self._held or await self._begin():
            await self._bench.hand.tell(*(ended(job) for job in self._held))
            self._held = []
        await self._bench.settle()
        self._look()

    def _look(self) -> None:
        """Know whom the tree has by now."""
        sql = "select id, parent_id from job where root_id = ?"
        for job_id, parent_id in self._store.at_once(sql, self.root_id):
            self.parents[job_id] = parent_id

    async def _begin(self) -> bool:
        taken = await self._bench.hand.take(self._rng.randrange(1, 5), root_id=self.root_id)
        await self._bench.hand.begin(*taken)
        self._held += taken
        return bool(taken)

    def _some(self, most: int) -> list[Job]:
        return self._rng.sample(self._held, min(len(self._held), self._rng.randrange(1, most + 1)))

    def _lines(self, job: Job) -> Fact:
        self._said += 1
        n = self._rng.choice([1, 1, 2, 7])
        return lines(job, *(f"{self._said}.{i}" for i in range(n)), level=self._rng.choice(LEVELS))

    async def _say(self) -> None:
        await self._bench.hand.tell(*(self._lines(job) for job in self._some(4)))

    async def _spawn(self) -> None:
        for job in self._some(1):
            await self._bench.hand.spawn(job, [a_child(payload={"n": n}) for n in range(self._rng.randrange(1, 5))])

    async def _mix(self) -> None:
        """Lines, children and an end in one commit: neighbours in one block."""
        facts: list[Fact] = []
        for job in self._some(3):
            self._said += 1
            facts += [self._lines(job), spawned(job, [a_child(payload={"m": self._said})], token=self._said)]
        await self._bench.hand.tell(*facts)

    async def _end(self) -> None:
        for job in self._some(2):
            self._held.remove(job)
            if self._rng.random() < 0.3:
                await self._bench.hand.tell(ended(job, How.FAILED, error=an_error(final=True)))
            else:
                await self._bench.hand.tell(self._lines(job), ended(job))

    async def _retry(self) -> None:
        if self._store.at_once("select status from job where id = ?", self.root_id) == [(FAILED,)]:
            await self._bench.retry(self.root_id, failed_children=True)

    # --- the test's own idea of a filter

    def an_ask(self) -> Subscribe:
        """A filter of any sort; ranges of children may reach beyond those that are there."""
        rng = self._rng
        ask = Subscribe(
            id=1,
            topic=f"logs:{self.root_id}",
            level=rng.choice(["debug", "debug", "info", "warn"]),
            limit=rng.choice([0, 1, 3, 100]),
        )
        sort = rng.randrange(5)
        if sort in (1, 2) and self.steps:
            ask.step = rng.choice(list(self.steps))
        if sort == 3:
            ask.topic = f"logs:{rng.choice(sorted(self.parents))}"
        if sort in (2, 3, 4):
            first = rng.choice(sorted(self.parents)) + rng.randrange(3)
            ask.children = f"{first}..{first + rng.randrange(12)}"
        return ask

    def belongs(self, entry: Entry, ask: Subscribe) -> bool:
        """Whether a viewer who asked like this is to get an entry."""
        if entry.level < level_of(ask.level):
            return False
        top = int(ask.topic.partition(":")[2])
        if ask.step is not None:
            top = self.steps[ask.step]
        chain = [entry.job_id]
        while (parent := self.parents[chain[-1]]) is not None:
            chain.append(parent)
        children = parse_children(ask.children)
        if children is not None:
            if top not in chain[1:]:
                return False
            return children[0] <= chain[chain.index(top) - 1] <= children[1]
        return top in chain
