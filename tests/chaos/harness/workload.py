"""What is asked of the system while it is under fire: trees of three levels, some cancelled, some retried.

Works on the store itself, as an embedded client does. Whatever the store accepted is remembered here, apart from it.
"""

import random
from dataclasses import dataclass, field
from typing import Any

import msgspec

from quaero.domain.definitions import Definition, ErrorTolerance, FailureAction, OnError, StepDefinition
from quaero.domain.errors import Conflict, NotFound
from quaero.domain.status import JobStatus
from quaero.engine.lifecycle.cancel import cancel
from quaero.engine.lifecycle.definitions import run_definition
from quaero.engine.lifecycle.enqueue import NewJob, enqueue
from quaero.engine.lifecycle.retry import retry
from quaero.storage.sqlstore import SqlStore

S = JobStatus
TOLERANCES = (None, ErrorTolerance(), ErrorTolerance(max_child_failures=1, failure_action=FailureAction.STOP_ALL))


@dataclass(slots=True)
class Workload:
    """Trees of `1 + width * (1 + leaves)` jobs. `work`: seconds per async handler, `failing`: chance per attempt."""

    store: SqlStore
    seed: int
    width: int = 12
    leaves: int = 20
    work: float = 0.5
    failing: float = 0.1
    accepted: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    retried: list[int] = field(default_factory=list)
    dice: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self.dice.seed(f"workload {self.seed}")

    @property
    def tree(self) -> int:
        """Jobs of one whole tree."""
        return 1 + self.width * (1 + self.leaves)

    def plan(self) -> dict[str, Any]:
        """What every job of a tree is told."""
        return {
            "seed": self.seed,
            "width": self.width,
            "leaves": self.leaves,
            "work": self.work,
            "failing": self.failing,
        }

    async def plant(self, n: int = 1) -> None:
        """Enqueue `n` trees."""
        request = NewJob("top", msgspec.json.encode({"plan": self.plan()}))
        answers = await self.store.write(enqueue, [request] * n)
        self.accepted += [answer.id for answer in answers]

    async def plant_definition(self) -> None:
        """Run a definition of three steps: two wait for the first, one is retried, one may fail."""
        rest: dict[str, Any] = {"payload": {"n": 0, "plan": self.plan()}}
        steps = (
            StepDefinition(name="first", kind="middle", limit=7, **rest),
            StepDefinition(name="again", kind="middle", depends=("first",), on_error=OnError.RETRY, **rest),
            StepDefinition(name="perhaps", kind="middle.plain", depends=("first",), on_error=OnError.CONTINUE, **rest),
        )
        definition = Definition(id="chaos", name="Chaos", steps=steps, error_tolerance=self.dice.choice(TOLERANCES))
        self.accepted.append(await self.store.write(run_definition, definition))

    async def open_jobs(self) -> int:
        """How many jobs are not terminal."""
        ((n,),) = await self.store.rows("select count(*) from job where status < 3 and id > 0")
        return int(n)

    async def made(self) -> int:
        """How many jobs there are."""
        ((n,),) = await self.store.rows("select count(*) from job where id > 0")
        return int(n)

    async def meddle(self) -> str:
        """Cancel a job of any level, or retry a failed one, or do nothing; what was done."""
        choice = self.dice.random()
        if choice < 0.35:
            return await self._cancel_one()
        if choice < 0.55:
            return await self._retry_one()
        return ""

    async def _cancel_one(self) -> str:
        rows = await self.store.rows("select id from job where status < 3 and id > 0 and kind not like 'leaf%'")
        kinds = "leaf" if not rows or self.dice.random() < 0.3 else ""
        if kinds:
            rows = await self.store.rows("select id from job where status < 3 and kind like 'leaf%' limit 1000")
        if not rows:
            return ""
        job_id = self.dice.choice(rows)[0]
        try:
            acted = await self.store.write(cancel, job_id)
        except (Conflict, NotFound):
            return ""
        self.cancelled.append(job_id)
        return f"cancel {job_id} ({acted.affected})"

    async def _retry_one(self) -> str:
        rows = await self.store.rows("select id, parent_id from job where status = 4 and id > 0 limit 1000")
        if not rows:
            return ""
        job_id, parent_id = self.dice.choice(rows)
        try:
            acted = await self.store.write(retry, job_id, parent_id is None)
        except (Conflict, NotFound):
            return ""
        self.retried.append(job_id)
        return f"retry {job_id} ({acted.affected})"
