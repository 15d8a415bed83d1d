"""One maker per value, with sensible defaults: a test states only what matters to it."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from quaero.domain.definitions import Definition, ErrorTolerance, FailureAction, OnError, StepDefinition
from quaero.domain.entries import Level, Line
from quaero.domain.facts import Began, Child, Document, Ended, ErrorInfo, How, Limit, Lines, Progressed, Spawned
from quaero.domain.job import Job
from quaero.engine.lifecycle.enqueue import NewJob
from quaero.engine.protocol import KindInfo, Sort

KIND = "work"
_encode = msgspec.msgpack.Encoder().encode


def a_kind(name: str = KIND, *, max_attempts: int = 3, timeout: int = 0) -> KindInfo:
    """A kind as a worker announces it. `timeout` in microseconds."""
    return KindInfo(name, Sort.ASYNC, max_attempts, timeout)


def a_root(kind: str = KIND, payload: Any = None, **options: Any) -> NewJob:
    """A root somebody wants; `options` are the fields of `NewJob`."""
    return NewJob(kind, json.dumps(payload or {}).encode(), **options)


def a_child(kind: str = KIND, payload: Any = None, **options: Any) -> Child:
    """A child to spawn; `options` are the fields of `Child`."""
    return Child(kind, json.dumps(payload or {}).encode(), **options)


def a_limit(key: str = "host", at_once: int = 1, apart: int = 0) -> Limit:
    """A limit key. `apart` in microseconds."""
    return Limit(key, at_once, apart)


def a_document(title: str = "A page", text: str = "Some text", url: str = "https://example.org/") -> Document:
    """A text to keep with a job."""
    return Document(url, title, text)


def an_error(message: str = "it broke", kind: str = "ValueError", *, final: bool = False) -> ErrorInfo:
    """Why an attempt failed."""
    return ErrorInfo(kind, message, final=final)


def began(job: Job, at: int = 1) -> Began:
    """The job's handler has begun."""
    return Began(job.id, job.epoch, at)


def ended(job: Job, how: How = How.COMPLETED, *, at: int = 1, began_at: int = 1, **options: Any) -> Ended:
    """An attempt is over; `options` are the fields of `Ended`."""
    if how in (How.FAILED, How.TIMED_OUT):
        options.setdefault("error", an_error())
    return Ended(job.id, job.epoch, at, began_at, how, **options)


def spawned(job: Job, children: Iterable[Child], token: int = 0) -> Spawned:
    """Children a handler asked for."""
    return Spawned(job.id, job.epoch, token, list(children))


def progressed(job: Job, **options: Any) -> Progressed:
    """Progress of a job; `options` are the fields of `Progressed`."""
    return Progressed(job.id, job.epoch, **options)


def lines(job: Job, *messages: str, level: Level = Level.INFO, at: int = 1) -> Lines:
    """Captured lines, all of one level; their times are one microsecond apart."""
    return mixed_lines(job, [(level, message) for message in messages], at=at)


def mixed_lines(job: Job, said: Iterable[tuple[int, str]], *, at: int = 1) -> Lines:
    """Captured lines of any levels."""
    body = [Line(at + n, int(level), message) for n, (level, message) in enumerate(said)]
    levels = 0
    for line in body:
        levels |= 1 << line.level
    return Lines(job.id, job.epoch, len(body), levels, at, at + len(body) - 1, _encode(body))


def a_step(name: str, kind: str = KIND, *, on_error: str = "fail", limit: int = 0, depends: str = "") -> StepDefinition:
    """A step; `depends` is a comma list of names."""
    waits_for = tuple(filter(None, depends.split(",")))
    return StepDefinition(name=name, kind=kind, on_error=OnError(on_error), limit=limit, depends=waits_for)


def a_definition(
    *steps: StepDefinition, tolerate: int | None = None, action: str = "continue", timeout: int = 0
) -> Definition:
    """A definition of these steps; `tolerate` is `max_child_failures` (0: any number), None for no such section."""
    tolerance = None
    if tolerate is not None:
        tolerance = ErrorTolerance(max_child_failures=tolerate, failure_action=FailureAction(action))
    return Definition(
        id="news", name="News", timeout=timeout, steps=steps or (a_step("one"),), error_tolerance=tolerance
    )
