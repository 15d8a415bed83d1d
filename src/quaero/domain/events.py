"""Typed facts about jobs: what `@app.on` delivers and viewers are told. One frozen class per fact, past tense."""

from typing import assert_never

import msgspec


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Common to all: the job, its tree, and when (microseconds since the epoch, UTC)."""

    job_id: int
    root_id: int
    kind: str
    at: int


class JobCreated(_Event, frozen=True, kw_only=True):
    """A job was accepted."""

    parent_id: int | None = None


class JobStarted(_Event, frozen=True, kw_only=True):
    """An attempt began."""

    attempt: int
    round: int


class JobStatusChanged(_Event, frozen=True, kw_only=True):
    """A job moved between two statuses (words of the public interface)."""

    before: str
    after: str
    round: int


class JobCompleted(_Event, frozen=True, kw_only=True):
    """A round ended well. `warnings` counts failed children it tolerated."""

    round: int
    warnings: int = 0


class JobFailed(_Event, frozen=True, kw_only=True):
    """A round ended in failure."""

    round: int
    error: str = ""
    fingerprint: str | None = None


class JobCancelled(_Event, frozen=True, kw_only=True):
    """A round ended by cancellation, or the job was skipped; `reason` says which."""

    round: int
    reason: str | None = None


class JobsSpawned(_Event, frozen=True, kw_only=True):
    """A job's children were accepted, `count` of them in one commit."""

    count: int


class StepFinished(_Event, frozen=True, kw_only=True):
    """A step's round ended."""

    step: str
    status: str
    round: int


class ParentProgress(_Event, frozen=True, kw_only=True):
    """A parent's tally moved. Live only: never stored, never delivered to subscribers."""

    progress_text: str


Event = (
    JobCreated
    | JobStarted
    | JobStatusChanged
    | JobCompleted
    | JobFailed
    | JobCancelled
    | JobsSpawned
    | StepFinished
    | ParentProgress
)
DURABLE: tuple[type, ...] = (
    JobCreated,
    JobStarted,
    JobStatusChanged,
    JobCompleted,
    JobFailed,
    JobCancelled,
    JobsSpawned,
    StepFinished,
)


def headline(event: Event) -> str:
    """One short line for people."""
    match event:
        case JobCreated():
            return f"job {event.job_id} created"
        case JobStarted(attempt=attempt):
            return f"job {event.job_id} started, attempt {attempt}"
        case JobStatusChanged(before=before, after=after):
            return f"job {event.job_id} went from {before} to {after}"
        case JobCompleted():
            return f"job {event.job_id} completed"
        case JobFailed(error=error):
            return f"job {event.job_id} failed: {error}"
        case JobCancelled(reason=reason):
            return f"job {event.job_id} cancelled" + (f": {reason}" if reason else "")
        case JobsSpawned(count=count):
            return f"job {event.job_id} spawned {count}"
        case StepFinished(step=step, status=status):
            return f"step {step} {status}"
        case ParentProgress(progress_text=text):
            return f"job {event.job_id}: {text}"
        case _:
            assert_never(event)
