"""How a tree looks to the world: a root with its steps, what failed below them, and how much longer it may take.

Built on the shapes of `wire`; as pure as they are.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from quaero.domain.eta import estimate
from quaero.domain.job import Job
from quaero.domain.status import WORDS, JobStatus
from quaero.domain.tally import progress_text
from quaero.domain.wire import WireJob, WireTally, wire_job, wire_tally

_EXPANDED = (JobStatus.RUNNING, JobStatus.WAITING, JobStatus.FAILED)


class WireEta(msgspec.Struct, frozen=True):
    """How much longer, as a range in milliseconds; `growing`: more children may come."""

    low_ms: int
    high_ms: int
    growing: bool


class WireStepState(msgspec.Struct, frozen=True):
    """A step as it stands."""

    id: str
    name: str
    status: str
    tally: WireTally
    progress_text: str
    version: int


class WireJobDetail(WireJob, frozen=True, kw_only=True):
    """One job looked at closely: with its steps and its ETA where it has them, and why it ended as it did.

    `reason` says what its error does not: that its parent failed, its tree was stopped or ran out of time.
    """

    reason: str | None
    steps: list[WireStepState] | msgspec.UnsetType = msgspec.UNSET
    eta: WireEta | msgspec.UnsetType = msgspec.UNSET


class WireErrorGroup(msgspec.Struct, frozen=True):
    """Failures of one kind in a step: how many, and one to look at."""

    message: str
    count: int
    example_job_id: str


class WireChildSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What is below a step, counted."""

    total: int
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int
    error_groups: list[WireErrorGroup]


class WireStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step in the tree view. `expanded`: worth opening, because it runs or failed."""

    step_id: str
    name: str
    status: str
    duration_ms: int | None
    expanded: bool
    child_summary: WireChildSummary
    total_logs: int


class WireTree(msgspec.Struct, frozen=True):
    """A root with its steps."""

    job_id: str
    name: str
    status: str
    steps: list[WireStep]


def wire_step_state(step: Job) -> WireStepState:
    """A step as it stands."""
    tally = step.shown_tally
    return WireStepState(
        str(step.id), step.name or step.kind, WORDS[step.status], wire_tally(tally), progress_text(tally), step.version
    )


def may_grow(job: Job, steps: Iterable[Job]) -> bool:
    """Whether more children may come: a function that spawns has not ended, or a step has not begun."""
    return not job.sealed or any(not step.sealed for step in steps)


def wire_job_detail(job: Job, steps: Sequence[Job], names: Mapping[int, str], *, now: int) -> WireJobDetail:
    """One job with its steps, and a range for its end while it has open jobs below."""
    elapsed = now - job.started_at if job.started_at else 0
    eta = estimate(job.shown_tally, elapsed, growing=may_grow(job, steps))
    return WireJobDetail(
        **msgspec.structs.asdict(wire_job(job, names)),
        reason=job.reason,
        steps=[wire_step_state(step) for step in steps] or msgspec.UNSET,
        eta=WireEta(eta.low // 1_000, eta.high // 1_000, eta.growing) if eta and not job.is_terminal else msgspec.UNSET,
    )


def duration_ms(job: Job, now: int) -> int | None:
    """Milliseconds from a job's start to its end, or to `now` while it is open; None before it began."""
    if not job.started_at:
        return None
    end = job.finished_at if job.is_terminal else now
    return max(0, end - job.started_at) // 1_000


def wire_step(step: Job, groups: Iterable[WireErrorGroup], now: int) -> WireStep:
    """A step of the tree view, with the failures below it."""
    return WireStep(
        step_id=str(step.id),
        name=step.name or step.kind,
        status=WORDS[step.status],
        duration_ms=duration_ms(step, now),
        expanded=step.status in _EXPANDED,
        child_summary=WireChildSummary(**step.below.to_wire(), error_groups=list(groups)),
        total_logs=step.lines,
    )


def wire_tree(root: Job, steps: Iterable[WireStep]) -> WireTree:
    """The tree view of a root."""
    return WireTree(job_id=str(root.id), name=root.name or root.kind, status=WORDS[root.status], steps=list(steps))
