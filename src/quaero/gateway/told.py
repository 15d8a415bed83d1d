"""The JSON of a feed's parts beside entries: `hello`, `status`, `ping`, `gap`, `end`, `bye`."""

from typing import Literal

import msgspec

from quaero.domain.job import Job
from quaero.domain.status import TERMINAL, WORDS, JobStatus
from quaero.domain.tally import progress_text
from quaero.domain.wire import WireTally, log_head, wire_tally
from quaero.domain.wiretree import WireStepState, wire_step_state
from quaero.storage.port import Standing

Mode = Literal["tail", "resume", "reset"]
VERSION = 1
_TERMINAL = frozenset(status.word for status in TERMINAL)


class Hello(msgspec.Struct, frozen=True):
    """The first part: what there is, and how reading begins."""

    v: int
    head: int
    oldest: int
    mode: Mode
    interval_ms: int
    incarnation: str


class StatusJob(msgspec.Struct, frozen=True):
    """The job of a scope as it stands."""

    id: str
    status: str
    progress: msgspec.Raw
    tally: WireTally
    progress_text: str
    round: int
    version: int


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """Absolute state; `log_head` was read in the same moment."""

    job: StatusJob
    steps: list[WireStepState]
    log_head: int
    reopened: bool = False

    @property
    def shown(self) -> object:
        """What it shows; numbers that move with every line say nothing new by themselves."""
        job, end = self.job, self.log_head if self.job.status in _TERMINAL else 0
        steps = [(step.status, step.tally) for step in self.steps]
        return job.status, bytes(job.progress), job.tally, job.round, steps, end, self.reopened


class Ping(msgspec.Struct, frozen=True):
    """A sign of life that moves the cursor."""

    timestamp: str
    head: int


class Gap(msgspec.Struct, frozen=True, rename={"first": "from", "last": "to"}):
    """Positions that will not come."""

    first: int
    last: int
    why: Literal["retention", "skipped_by_request"] = "retention"


class End(msgspec.Struct, frozen=True):
    """Everything is terminal and was sent."""

    log_head: int


class Bye(msgspec.Struct, frozen=True):
    """Come again with the same cursor."""

    retry_ms: int


def told_status(standing: Standing, *, reopened: bool) -> Status:
    """The state of a scope's job."""
    job = standing.job
    tally = job.shown_tally
    return Status(
        job=StatusJob(
            id=str(job.id),
            status=WORDS[job.status],
            progress=msgspec.Raw(job.progress or b"null"),
            tally=wire_tally(tally),
            progress_text=progress_text(tally),
            round=job.round,
            version=job.version,
        ),
        steps=[wire_step_state(step) for step in standing.steps],
        log_head=log_head(job),
        reopened=reopened,
    )


def service_standing(root_id: int, head: int) -> Standing:
    """How the service log stands: no job is behind it, and it goes on for as long as there is a store."""
    return Standing(Job(root_id, root_id, "service", status=JobStatus.RUNNING, version=1, journal_head=head), [], head)
