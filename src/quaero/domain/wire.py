"""How jobs, entries and trees look to the world: the public JSON shapes of the interface, as typed structs.

Every way out (REST, SSE, WebSocket, `--json`) encodes these same structs, so a job looks the same everywhere. Ids are
decimal strings, times RFC 3339 in UTC with milliseconds, `running` in a tally includes `waiting`. Pure: it is handed
what it shows and reads nothing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from quaero.domain.definitions.problems import InvalidDefinition
from quaero.domain.definitions.problems import Problem as DefinitionProblem
from quaero.domain.entries import LEVEL_WORDS, Entry, Originator
from quaero.domain.errors import Conflict, QuaeroError
from quaero.domain.job import Job
from quaero.domain.status import WORDS
from quaero.domain.tally import Tally, progress_text

_NO_NAMES: Mapping[int, str] = {}
_ORIGINATORS = tuple(origin.word for origin in Originator)


class WireTally(msgspec.Struct, frozen=True):
    """Counts by status; `running` includes `waiting`."""

    total: int
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int


class WireJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job. `payload`, `result`, `error`, `progress` and `counts` are JSON as it was recorded."""

    id: str
    kind: str
    job_type: str
    name: str | None
    status: str
    parent_id: str | None
    root_id: str
    step: str | None
    attempt: int
    max_attempts: int
    round: int
    priority: int
    tags: msgspec.Raw
    payload: msgspec.Raw
    result: msgspec.Raw
    error: msgspec.Raw
    progress: msgspec.Raw
    counts: msgspec.Raw
    tally: WireTally
    progress_text: str
    warnings: int
    cancel_requested: bool
    created_at: str
    started_at: str | None
    finished_at: str | None
    version: int
    log_head: int


class WireEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A journal entry. `line_number` counts within its step (or its job, without one), `seq` within the tree."""

    seq: int
    line_number: int
    timestamp: str
    full_timestamp: str
    level: str
    message: str
    job_id: str
    root_id: str
    step: str | None
    step_id: str | None
    originator: str
    fields: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class WireProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a definition; a hint does not make it invalid. `key` is a path, `line` counts from 1."""

    key: str
    line: int | None
    reason: str
    remedy: str
    is_hint: bool


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as RFC 9457 describes it. `type` never changes its meaning; `detail` is for people.

    `job_status` is the status that forbids what was asked, `problems` all that is wrong with a definition.
    """

    type: str
    title: str
    status: int
    detail: str
    job_status: str | None = None
    problems: tuple[WireProblem, ...] = ()


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339(micros: int) -> str:
    """A time in microseconds since the epoch as `2026-11-22T16:02:03.004Z`."""
    seconds, rest = divmod(micros, 1_000_000)
    return f"{_second(seconds)}.{rest // 1_000:03d}Z"


def parse_time(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 time; UTC where it names no zone. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return round(moment.timestamp() * 1_000_000)


def parse_id(text: str) -> int | None:
    """The number an id stands for, None if it cannot be one (then it names nothing)."""
    if text.isascii() and text.isdecimal() and len(text) <= 18:
        return int(text)
    return None


def wire_tally(tally: Tally) -> WireTally:
    """Counts in their public form."""
    return WireTally(
        total=tally.total,
        pending=tally.pending,
        running=tally.running + tally.waiting,
        completed=tally.completed,
        failed=tally.failed,
        cancelled=tally.cancelled,
    )


def step_name(job: Job, names: Mapping[int, str] = _NO_NAMES) -> str | None:
    """The name of the step a job belongs to (a step belongs to itself), None without one."""
    if job.is_step:
        return job.name
    return names.get(job.step_id) if job.step_id is not None else None


def log_head(job: Job) -> int:
    """The number of the last entry this state knows of: the tree's for a root, the job's own below."""
    return job.journal_head if job.is_root else job.last_seq


def _raw(json: bytes | None, missing: bytes = b"null") -> msgspec.Raw:
    return msgspec.Raw(json if json else missing)


def wire_job(job: Job, names: Mapping[int, str] = _NO_NAMES) -> WireJob:
    """A job in its public form; `names` gives the names of steps by id."""
    tally = job.shown_tally
    return WireJob(
        id=str(job.id),
        kind=job.kind,
        job_type=job.kind,
        name=job.name,
        status=WORDS[job.status],
        parent_id=None if job.parent_id is None else str(job.parent_id),
        root_id=str(job.root_id),
        step=step_name(job, names),
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        round=job.round,
        priority=job.priority,
        tags=_raw(job.tags.encode() if job.tags else None, b"[]"),
        payload=_raw(job.payload, b"{}"),
        result=_raw(job.result),
        error=_raw(job.error),
        progress=_raw(job.progress),
        counts=_raw(job.counts, b"{}"),
        tally=wire_tally(tally),
        progress_text=progress_text(tally),
        warnings=job.warnings,
        cancel_requested=bool(job.cancel_requested),
        created_at=rfc3339(job.created_at),
        started_at=rfc3339(job.started_at) if job.started_at else None,
        finished_at=rfc3339(job.finished_at) if job.is_terminal else None,
        version=job.version,
        log_head=log_head(job),
    )


def wire_entry(entry: Entry, names: Mapping[int, str] = _NO_NAMES, *, in_parent: bool = False) -> WireEntry:
    """An entry in its public form. `in_parent`: a child's change of status, read in its parent's own scope."""
    moment = rfc3339(entry.at)
    fields = entry.fields
    message = entry.message
    if in_parent and entry.originator != Originator.WORKER and fields and "status" in fields and "tally" in fields:
        message = f"Child job {entry.job_id} → {fields['status']}. {_tally_text(fields['tally'])}"
    step = entry.step
    if step is None and entry.step_id is not None:
        step = names.get(entry.step_id)
    return WireEntry(
        seq=entry.seq,
        line_number=entry.line_number,
        timestamp=moment,
        full_timestamp=moment,
        level=LEVEL_WORDS[entry.level],
        message=message,
        job_id=str(entry.job_id),
        root_id=str(entry.root_id),
        step=step,
        step_id=None if entry.step_id is None else str(entry.step_id),
        originator=_ORIGINATORS[entry.originator],
        fields=fields if fields else msgspec.UNSET,
    )


def _tally_text(tally: Mapping[str, int]) -> str:
    return progress_text(
        Tally(pending=tally["pending"], running=tally["running"], completed=tally["completed"], failed=tally["failed"])
    )


def problem(error: QuaeroError) -> Problem:
    """An error of ours as a problem document."""
    return Problem(
        f"urn:quaero:{error.problem}",
        type(error).problem.replace("-", " "),
        error.http_status,
        str(error),
        job_status=error.status if isinstance(error, Conflict) else None,
        problems=tuple(map(wire_problem, error.problems)) if isinstance(error, InvalidDefinition) else (),
    )


def wire_problem(problem: DefinitionProblem) -> WireProblem:
    """One thing wrong with a definition, without the name of a file: it came in a request."""
    return WireProblem(
        key=problem.key, line=problem.line, reason=problem.reason, remedy=problem.remedy, is_hint=problem.is_hint
    )
