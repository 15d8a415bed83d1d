"""What one transaction records beside jobs, lanes and journals: counts, errors, documents, events."""

import json
from collections import defaultdict
from typing import Any

import msgspec

from quaero.domain.events import Event
from quaero.domain.facts import Document
from quaero.domain.job import Job
from quaero.storage import latency
from quaero.storage.connection import Connection


class Extras:
    """Collects the small things and stores them when the ledger is flushed."""

    def __init__(self, db: Connection, now: int, writer: str) -> None:
        self._db = db
        self._now = now
        self._writer = writer
        self._errors: dict[tuple[int, str], list[Any]] = {}
        self._documents: list[tuple[Job, Document]] = []
        self._deliveries: list[tuple[str, int, bytes]] = []
        self._subscribers: dict[str, list[str]] | None = None

    @property
    def waiting(self) -> bool:
        """Whether anything is collected."""
        return bool(self._errors or self._documents or self._deliveries)

    def count_error(self, job: Job, fingerprint: str, message: str, n: int) -> None:
        """Add `n` to a tree's error group."""
        group = self._errors.setdefault((job.root_id, fingerprint), [message, 0, []])
        group[1] += n
        if n > 0 and len(group[2]) < 5:
            group[2].append(job.id)

    def add_document(self, job: Job, document: Document) -> None:
        """Keep a document with a job."""
        self._documents.append((job, document))

    def tell(self, event: Event) -> None:
        """Hand an event to its subscribers, if it has any."""
        for name in self._subscribed().get(type(event).__name__, ()):
            self._deliveries.append((name, event.root_id, msgspec.json.encode(event)))

    @property
    def has_subscribers(self) -> bool:
        """Whether any event has a subscriber at all."""
        known = self._subscribers
        return bool(known if known is not None else self._subscribed())

    def _subscribed(self) -> dict[str, list[str]]:
        if self._subscribers is None:
            self._subscribers = defaultdict(list)
            for name, event in self._db.rows("select name, event from subscriber"):
                self._subscribers[event].append(name)
        return self._subscribers

    def save_counts(self, counts: list[int], closed: int) -> None:
        """Move the global counts of this writer and the throughput of this second."""
        if any(counts):
            self._db.run(
                "insert into counter(writer, pending, running, waiting, completed, failed, cancelled)"
                " values(?, ?, ?, ?, ?, ?, ?) on conflict(writer) do update set"
                " pending = counter.pending + excluded.pending, running = counter.running + excluded.running,"
                " waiting = counter.waiting + excluded.waiting, completed = counter.completed + excluded.completed,"
                " failed = counter.failed + excluded.failed, cancelled = counter.cancelled + excluded.cancelled",
                (self._writer, *counts),
            )
        if closed:
            self._db.run(
                "insert into throughput(second, writer, closed)"
                " values(?, ?, ?)"
                " on conflict(second, writer) do update set closed = throughput.closed + excluded.closed",
                (self._now // 1_000_000, self._writer, closed),
            )

    def save_waits(self, waits: list[int]) -> None:
        """Count how long the jobs that started had waited."""
        if waits:
            latency.save_waits(self._db, self._writer, self._now, waits)

    def save(self) -> None:
        """Store what was collected."""
        for (root_id, fingerprint), (message, n, examples) in self._errors.items():
            self._save_error_group(root_id, fingerprint, message, n, examples)
        for job, document in self._documents:
            self._save_document(job, document)
        if self._deliveries:
            self._db.run_many("insert into delivery(subscriber, root_id, event) values(?, ?, ?)", self._deliveries)
        self._errors, self._documents, self._deliveries = {}, [], []

    def _save_error_group(self, root_id: int, fingerprint: str, message: str, n: int, examples: list[int]) -> None:
        self._db.run(
            "insert into error_group(root_id, fingerprint, message, count, first_at, last_at, examples)"
            " values(?, ?, ?, ?, ?, ?, ?)"
            " on conflict(root_id, fingerprint) do update set last_at = excluded.last_at,"
            " count = case when error_group.count + ? > 0 then error_group.count + ? else 0 end,"
            " examples = case when error_group.examples = '[]' then excluded.examples else error_group.examples end",
            (root_id, fingerprint, message, max(n, 0), self._now, self._now, json.dumps(examples), n, n),
        )

    def _save_document(self, job: Job, document: Document) -> None:
        fields = document.fields.decode()
        self._db.run(
            "insert into document(job_id, root_id, url, title, text, fields, truncated, at)"
            " values(?, ?, ?, ?, ?, ?, ?, ?)",
            (
                job.id,
                job.root_id,
                document.url,
                document.title,
                document.text,
                fields,
                int(document.truncated),
                self._now,
            ),
        )
