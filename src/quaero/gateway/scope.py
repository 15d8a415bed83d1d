"""Whose entries a viewer reads: of one job and all below it, of some of its children, of one step, of a whole tree, or
the service log.

A scope with its level is also the *class* of a filter: viewers of equal scopes get equal bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from quaero.domain.entries import parse_level
from quaero.domain.errors import InvalidInput, NotFound
from quaero.domain.job import Job
from quaero.gateway.childrange import parse_children
from quaero.gateway.finding import find_job
from quaero.storage.port import EntryFilter, Store

SERVICE_ROOT = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """Of which job, in which tree, which of its entries. `names` are those of steps; `total` is how many, if known."""

    job_id: int
    root_id: int
    where: EntryFilter
    names: Mapping[int, str] = field(compare=False, hash=False)
    total: int | None = field(compare=False, hash=False)
    one_counter: bool  # whether line numbers are of a single counter

    @property
    def is_whole(self) -> bool:
        """Whether every entry of the tree belongs to it, or all of one step: then nobody's parents matter."""
        return self.where.job_id is None


def service_scope(level: int) -> Scope:
    """The service log."""
    return Scope(SERVICE_ROOT, SERVICE_ROOT, EntryFilter(level=level), {}, None, one_counter=True)


async def job_scope(
    store: Store,
    job: Job,
    *,
    step: str | None = None,
    children: str | None = None,
    below: bool = True,
    level: int = 0,
) -> Scope:
    """The scope of a job's log, or of one step's of its tree (by name or id), or of some children of either.

    Raises NotFound for a strange step, InvalidInput for children that make no sense.
    """
    root = job if job.is_root else await find_job(store, job.root_id)
    steps = await store.steps(root.id) if root.definition is not None else []
    names = {one.id: one.name or one.kind for one in steps}
    if step is not None:
        job = _step_of(steps, step, root)
    chosen = parse_children(children)
    if chosen is not None:
        if not below:
            raise InvalidInput("children come with all that is below them: leave include_children out")
        step_id = job.id if job.is_step else None
        where = EntryFilter(level=level, job_id=job.id, children=chosen, step_id=step_id)
        return Scope(job.id, root.id, where, names, None, one_counter=bool(job.is_step))
    if job.is_step and below:
        where = EntryFilter(level=level, step_id=job.id)
        return Scope(job.id, root.id, where, names, job.lines, one_counter=True)
    if job.is_root and below:
        total = job.journal_head - job.journal_oldest + 1
        return Scope(job.id, root.id, EntryFilter(level=level), names, total, one_counter=False)
    alone = not below and job.step_id is None
    where = EntryFilter(level=level, job_id=job.id, below=below)
    return Scope(job.id, root.id, where, names, job.lines if alone else None, one_counter=not below)


def _step_of(steps: list[Job], wanted: str, root: Job) -> Job:
    for step in steps:
        if wanted in (step.name, str(step.id)):
            return step
    known = ", ".join(step.name or str(step.id) for step in steps)
    raise NotFound(f"job {root.id} has no step {wanted[:40]!r}: " + (f"it has {known}" if known else "it has no steps"))


def level_of(word: str) -> int:
    """The level a word names, as the store filters by it. Raises InvalidInput."""
    try:
        return parse_level(word)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
