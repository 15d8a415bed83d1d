"""What a handler gets: its job. Everything it may know, say and ask for, and nothing of how that travels.

A context costs next to nothing until it is used: the logger, the payload, the spawn buffer and the rest are made when
they are first asked for. It belongs to one attempt; what is told after the attempt's end is not recorded for the job.
Ids are opaque texts.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import msgspec

from quaero.domain.bounds import KIB, MAX_DOCUMENT_TEXT, MAX_LINE, MIB
from quaero.domain.errors import TooLarge
from quaero.domain.facts import Document, Spawned
from quaero.engine.cancellation import Cancelled
from quaero.engine.extras import Extras
from quaero.engine.handles import SpawnHandle, SpawnHandles
from quaero.engine.host import Host
from quaero.engine.limits import Limit
from quaero.engine.orders import After, Keys, Order, merged, paired, refuse_clash
from quaero.engine.protocol import Task
from quaero.engine.signature import decode_object
from quaero.engine.spawning import Spawns
from quaero.engine.splitter import LineSplitter
from quaero.engine.text import clean, cut

MAX_DOCUMENTS = 16 * MIB
MAX_WORDS = 1 * KIB  # of a progress message or a counter's name

current: ContextVar["JobContext | None"] = ContextVar("quaero_job", default=None)
"""The job whose handler runs here; None outside of one."""


class JobContext:
    """One attempt of one job. All times are seconds unless a parameter says otherwise."""

    # What begins with an underscore belongs to the executor.
    __slots__ = ("__weakref__", "_began_at", "_extras", "_host", "_is_over", "_lines", "_runner", "_task", "_why")

    def __init__(self, task: Task, host: Host) -> None:
        self._task = task
        self._host = host
        self._extras: Extras | None = None
        self._lines: Any = None  # the host's buffer of its log lines
        self._runner: asyncio.Task[None] | None = None
        self._why: str | None = None  # why it was asked to stop
        self._began_at = 0  # microseconds
        self._is_over = False

    def __repr__(self) -> str:
        return f"<JobContext {self.id} {self._task.kind} attempt {self.attempt}>"

    @property
    def id(self) -> str:
        """This job's id."""
        return str(self._task.job_id)

    @property
    def kind(self) -> str:
        """The kind it was enqueued as."""
        return self._task.kind

    @property
    def root_id(self) -> str:
        """The id of the top of its tree; its own for a root."""
        return str(self._task.root_id)

    @property
    def parent_id(self) -> str | None:
        """The id of the job it was spawned under; None for a root."""
        return str(self._task.parent_id) if self._task.parent_id is not None else None

    @property
    def step(self) -> str | None:
        """The name of the definition's step it belongs to, if any."""
        return self._task.step

    @property
    def attempt(self) -> int:
        """Which try of this round this is, from 1."""
        return self._task.attempt

    @property
    def max_attempts(self) -> int:
        """How many tries a round has."""
        return self._task.max_attempts

    @property
    def round(self) -> int:
        """Which round this is, from 1: a retry by hand opens the next."""
        return self._task.round

    @property
    def payload(self) -> dict[str, Any]:
        """The payload as it was enqueued."""
        extras = self._more()
        if extras.payload is None:
            extras.payload = decode_object(self._task.payload)
        return extras.payload

    @property
    def log(self) -> logging.Logger:
        """A standard logger for this job. `extra={...}` becomes the line's fields."""
        extras = self._more()
        if extras.log is None:
            extras.log = self._host.logger(self)
        return extras.log

    @property
    def cancelled(self) -> Cancelled:
        """Whether the job was asked to stop: true or false, and awaitable."""
        extras = self._more()
        if extras.cancelled is None:
            extras.cancelled = Cancelled()
            if self._why is not None:
                extras.cancelled.ask()
        return extras.cancelled

    def progress(self, current: float | None, total: float | None = None, message: str | None = None) -> None:
        """Say how far it is. Absolute, and conflated: only the last word of each tenth of a second is told."""
        extras = self._more()
        extras.progress = (current, total, cut(clean(str(message)), MAX_WORDS)[0] if message is not None else None)
        self._host.stir(self)

    def count(self, name: str, n: int = 1) -> None:
        """Add to one of the job's counters; its step and root show the sums."""
        if not isinstance(n, int) or not -(2**31) < n < 2**31:
            raise TypeError(f"count takes a whole number, not {n!r}")
        name, _ = cut(clean(name), MAX_WORDS)
        with self._host:
            extras = self._more()
            counts = extras.counts = extras.counts or {}
            counts[name] = counts.get(name, 0) + n
        self._host.stir(self)

    def children(self) -> Any:
        """The job's direct children, all it spawned before included: dicts with id, kind, key, status, result.

        In an async handler `await` it; a plain one gets the list.
        """
        if not self._host.is_plain:
            return self._children()
        self._spawns().wait_flushed(None)
        return self._host.ask_and_wait(self, "children")

    async def _children(self) -> Any:
        await self._spawns().flushed()
        return await self._host.ask(self, "children")

    def set_result(self, result: Any) -> None:
        """What the job's result shall be, instead of what its function returns. At most 1 MB as JSON."""
        self._more().result = result

    def document(self, url: str, title: str, text: str, fields: Mapping[str, Any] | None = None) -> None:
        """Keep a text with the job, stored with its finish and searchable. Cut at 1 MB of UTF-8, and flagged then.

        Raises TooLarge when a job's documents are over 16 MB together.
        """
        body, is_cut = cut(clean(text), MAX_DOCUMENT_TEXT)
        raw = msgspec.json.encode(dict(fields or {}))
        extras = self._more()
        if sum(len(one.text) for one in extras.documents or ()) + len(body) > MAX_DOCUMENTS:
            raise TooLarge(f"the documents of one job may take {MAX_DOCUMENTS:,} characters: keep them in its children")
        extras.documents = [*(extras.documents or ()), Document(clean(url), clean(title), body, raw, is_cut)]

    def output(self, *, is_error: bool = False, watch: Callable[[str], bool] | None = None) -> LineSplitter:
        """A place to feed the raw output of a program to (`feed_bytes`, at the end `finish`): its lines become ours.

        They are `info`, or `warn` with `is_error`. A line for which `watch` returns true is kept out.
        """
        log = self.log.warning if is_error else self.log.info

        def take(line: str, continued: bool) -> None:
            if watch is None or not watch(line):
                log("%s", line, extra={"continued": True} if continued else None)

        return LineSplitter(take, MAX_LINE)

    def spawn(
        self,
        kind: str | Callable[..., Any],
        payload: Mapping[str, Any] | None = None,
        /,
        *,
        key: str | None = None,
        priority: int = 0,
        delay: float | str | timedelta | None = None,
        after: After = (),
        under: str = "self",
        limit_key: str | Limit | None = None,
        **fields: Any,
    ) -> SpawnHandle:
        """Ask for a child and return at once; await the handle for its id.

        `key` is unique within the tree: a repeat gets the job that exists. `priority`: higher first. `delay`: not
        before so many seconds (or `"5m"`). `after`: siblings, by handle or id, that must end first. `under="step"`
        makes it a child of the step. `limit_key`: a key of which one job runs at a time, or a `Limit`.
        The payload is the mapping with `fields`; a name that is also an option must stand in the mapping.
        In a plain handler a full buffer (10,000 children without an answer) blocks; an async one awaits `flush()`.
        Raises InvalidInput or TooLarge for what cannot be spawned.
        """
        name = self._host.kind_of(kind)
        options = {"key": key, "priority": priority or None, "delay": delay, "after": after or None,
                   "under": under if under != "self" else None, "limit_key": limit_key}  # fmt: skip
        whole = fields if payload is None else merged(payload, fields)
        if names := self._host.names_of(name):
            refuse_clash(name, names, options, payload or {})
        return self._spawns().one(Order.of(name, priority, delay, after, under, limit_key), whole, key)

    def spawn_many(
        self,
        kind: str | Callable[..., Any],
        payloads: Iterable[Mapping[str, Any]],
        /,
        *,
        keys: Keys = None,
        priority: int = 0,
        delay: float | str | timedelta | None = None,
        after: After = (),
        under: str = "self",
        limit_key: str | Limit | None = None,
        max_children: int = 0,
    ) -> SpawnHandles:
        """Ask for a child per payload; the options hold for each. Await the answer for all ids, in order.

        `keys`: one per payload, or a function of the payload. `max_children`: what would give the parent more
        children than this is refused, its id is None; 0 for no cap. A plain handler blocks while the buffer is full;
        in an async one the rest of a long source is read in the background, and before the job's end.
        """
        order = Order.of(self._host.kind_of(kind), priority, delay, after, under, limit_key, max_children)
        return self._spawns().many(order, paired(payloads, keys))

    def flush(self, timeout: float | None = None) -> Any:
        """Wait until the store has answered every spawn so far: `await` it, or block in a plain handler."""
        spawns = self._spawns()
        return spawns.wait_flushed(timeout) if self._host.is_plain else spawns.flushed()

    def _more(self) -> Extras:
        if self._extras is None:
            self._extras = Extras()
        return self._extras

    def _spawns(self) -> Spawns:
        extras = self._more()
        if extras.spawns is None:
            extras.spawns = Spawns(_Desk(self, self._host), self._task.job_id, self._task.epoch)
        return extras.spawns


class _Desk:
    """A job's way to its host for spawns."""

    __slots__ = ("_host", "_job", "push")

    def __init__(self, job: JobContext, host: Host) -> None:
        self._job = job
        self._host = host
        self.push = host.push

    @property
    def is_plain(self) -> bool:
        return self._host.is_plain

    def stir(self) -> None:
        self._host.stir(self._job)

    def send(self, spawned: Spawned, size: int) -> None:
        self._host.put_spawned(self._job, spawned, size)

    def __enter__(self) -> object:
        return self._host.__enter__()

    def __exit__(self, *_: object) -> None:
        self._host.__exit__(*_)
