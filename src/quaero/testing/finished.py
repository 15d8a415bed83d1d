"""What became of jobs that were run inline: plain values, for assertions."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from quaero.domain.entries import Entry
from quaero.domain.events import Event
from quaero.domain.job import Job
from quaero.domain.status import WORDS
from quaero.storage.port import EntryFilter, JobFilter, Store, StoredDocument

MANY = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedJob:
    """One job as it ended, with everything below it."""

    id: str
    kind: str
    status: str
    result: Any = None
    error: dict[str, Any] | None = None  # type, message, traceback, fingerprint
    attempt: int = 1
    payload: dict[str, Any] = field(default_factory=dict)
    key: str | None = None
    log: tuple[str, ...] = ()  # the messages of its own lines
    entries: tuple[Entry, ...] = ()  # the same with level and fields, its changes of status among them
    progress: dict[str, Any] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    documents: tuple[StoredDocument, ...] = ()
    events: tuple[Event, ...] = ()  # of the whole tree below, in order
    children: tuple["FinishedJob", ...] = ()

    @property
    def everything(self) -> list["FinishedJob"]:
        """This job and all below it, each parent before its children."""
        return [self, *(below for child in self.children for below in child.everything)]


async def finished_tree(store: Store, root_id: int, events: list[Event]) -> FinishedJob:
    """The tree as the store has it."""
    root = await store.job(root_id)
    if root is None:
        raise LookupError(f"there is no job {root_id}")
    below = (await store.jobs(JobFilter(root_id=root_id, descending=False), limit=MANY)).jobs
    entries = (await store.entries(root_id, EntryFilter(), limit=MANY)).entries
    documents = await store.documents(root_id=root_id, limit=MANY)
    return _Tree([root, *(job for job in below if job.id != root_id)], entries, documents, events).view(root)


class _Tree:
    """Everything of a tree, sorted by whose it is."""

    def __init__(
        self, jobs: list[Job], entries: list[Entry], documents: list[StoredDocument], events: list[Event]
    ) -> None:
        self._in_order = events
        self._events: dict[int, list[Event]] = {}
        self._children: dict[int | None, list[Job]] = {}
        self._entries: dict[int, list[Entry]] = {}
        self._documents: dict[int, list[StoredDocument]] = {}
        for job in jobs:
            self._children.setdefault(job.parent_id, []).append(job)
        for entry in entries:
            self._entries.setdefault(entry.job_id, []).append(entry)
        for event in events:
            self._events.setdefault(event.job_id, []).append(event)
        for document in documents:
            self._documents.setdefault(document.job_id, []).append(document)

    def view(self, job: Job) -> FinishedJob:
        """One job and all below it."""
        children = tuple(self.view(child) for child in self._children.get(job.id, ()))
        entries = self._entries.get(job.id, [])
        return FinishedJob(
            id=str(job.id),
            kind=job.kind,
            status=WORDS[job.status],
            result=_decoded(job.result),
            error=_decoded(job.error),
            attempt=job.attempt,
            payload=_decoded(job.payload),
            key=job.key,
            log=tuple(entry.message for entry in entries if not _is_ours(entry)),
            entries=tuple(entries),
            progress=_decoded(job.progress),
            counts=_decoded(job.counts) or {},
            documents=tuple(self._documents.get(job.id, ())),
            events=self._told_of(job, children),
            children=children,
        )

    def _told_of(self, job: Job, children: tuple[FinishedJob, ...]) -> tuple[Event, ...]:
        if not children:
            return tuple(self._events.get(job.id, ()))
        mine = {job.id, *(int(below.id) for child in children for below in child.everything)}
        return tuple(event for event in self._in_order if event.job_id in mine)


def _is_ours(entry: Entry) -> bool:
    """Whether Quaero wrote it and not the job."""
    return entry.originator != 0


def _decoded(raw: bytes | None) -> Any:
    return msgspec.json.decode(raw) if raw else None
