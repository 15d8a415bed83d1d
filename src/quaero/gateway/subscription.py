"""What one subscription shows, and the messages that keep its client equal to the store.

A view is told of changes and only notes keys; its connection asks it for frames when a key may be told. So a view that
is read slowly keeps sets, never queues. A subscription begins with a full snapshot; rows are watched before it is
written, so nothing can change unseen between the two.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Protocol

from quaero.domain.errors import InvalidInput
from quaero.domain.job import Job
from quaero.gateway.interest import Row
from quaero.gateway.stateplane import StatePlane
from quaero.gateway.styles import CRAWL, Style, ended
from quaero.gateway.topics import MOST_SHOWN, Subscribe, envelope, json_of

Key = tuple[str, int]  # what is due, of which job (0: of the view itself)
MAX_PIECE = 32 * 1024  # characters of rows in one message
ROW, GONE, SHOW, CREATED = "snapshot", "gone", "show", "job_created"


class Outlet(Protocol):
    """The connection a view belongs to."""

    def due(self, view: "Subscription", kind: str, job_id: int, *, urgent: bool = False) -> None:
        """Something of this kind is to be told: at once, or when its interval is over."""

    @property
    def is_full(self) -> bool:
        """Whether the client takes less than it is sent."""

    async def send(self, text: str) -> None:
        """Write a message now and wait until there is room again. Raises StuckError."""

    def leave(self, retry_ms: int) -> None:
        """Send the client away: it comes again in so many milliseconds."""

    def advanced(self) -> None:
        """A log has sent more of its lines."""

    def fail(self, subscription: "Subscription", error: Exception) -> None:
        """A subscription cannot go on."""


class Subscription(ABC):
    """One subscription."""

    def __init__(self, plane: StatePlane, outlet: Outlet, ask: Subscribe) -> None:
        self.plane = plane
        self.outlet = outlet
        self.ask = ask
        self._head = f'"id":{json_of(ask.id)},"topic":{json_of(ask.topic)}'

    @abstractmethod
    async def open(self) -> list[str]:
        """Begin to watch; the first messages. Raises NotFound or InvalidInput."""

    @abstractmethod
    async def frames(self, keys: Sequence[Key]) -> list[str]:
        """Messages about what is due."""

    @abstractmethod
    def close(self) -> None:
        """Watch nothing any more."""

    def show(self, add: Sequence[int], remove: Sequence[int]) -> None:
        """Other rows are in sight. Raises InvalidInput where a topic has none to choose."""
        raise InvalidInput(f"the topic {self.ask.topic} shows no chosen rows")

    def about(self, job_id: int) -> Job | None:
        """The job a key is about, as it is known."""
        return None

    def lacks(self, root_id: int, head: int) -> bool:
        """Whether its client follows the log of this tree and does not have everything up to `head` yet."""
        return False

    def interval(self, kind: str) -> float:
        """Seconds between two tellings of this kind about one job."""
        return self.plane.interval(kind)

    def snapshot(self, *, full: bool, **parts: str) -> str:
        """A snapshot message; parts are JSON."""
        told = "".join(f',"{name}":{part}' for name, part in parts.items())
        return envelope("snapshot", f'{{{self._head},"full":{"true" if full else "false"}{told}}}')


class RowSubscription(Subscription):
    """A subscription that shows rows: as rows, or (with a style) in typed messages."""

    def __init__(self, plane: StatePlane, outlet: Outlet, ask: Subscribe, style: Style | None) -> None:
        super().__init__(plane, outlet, ask)
        self.style = style
        self.shown: dict[int, None] = {}
        self._asked: dict[int, None] = {}
        self._gone: dict[int, None] = {}
        self._untold: dict[int, str] = {}  # shown, and not told yet

    # --- told by the interest

    def moved(self, row: Row, before: Job | None) -> None:
        """A shown row is newer."""
        if self.style is None:
            self.outlet.due(self, ROW, row.job.id, urgent=ended(row.job, before))
            return
        for kind, urgent in self.style.changed(row, before):
            self.outlet.due(self, kind, row.job.id, urgent=urgent)

    def gone(self, job_id: int) -> None:
        """A shown row is no more."""
        if job_id in self.shown:
            self.leave([job_id])
            self.outlet.due(self, GONE, 0, urgent=True)

    # --- told by the client

    def show(self, add: Sequence[int], remove: Sequence[int]) -> None:
        """Other rows are in sight; those that come are told at once."""
        if len((self.shown.keys() | self._asked.keys() | set(add)) - set(remove)) > MOST_SHOWN:
            raise InvalidInput(f"a subscription shows {MOST_SHOWN} rows at most: remove some first")
        self._forget(remove)
        for job_id in remove:
            self._asked.pop(job_id, None)
        self._asked.update(dict.fromkeys(add))
        if self._asked:
            self.outlet.due(self, SHOW, 0, urgent=True)

    # --- asked by the connection

    def about(self, job_id: int) -> Job | None:
        """The shown job of this id."""
        return next((row.job for row in self.plane.interest.rows([job_id])), None)

    async def frames(self, keys: Sequence[Key]) -> list[str]:
        """Changed rows in their style; one snapshot of what came, what left, and changed rows without a style."""
        came, parts = await self.news(keys)
        self._untold.update((row.job.id, CREATED) for row in came)
        self._untold.update((row.job.id, ROW) for row in await self._take_asked())
        for row in self.plane.interest.rows(job_id for kind, job_id in keys if kind == CRAWL):
            await self.plane.interest.learn_page(row)
        untold, self._untold = self._untold, {}  # the store was read: what is told now is told
        fresh = list(self.plane.interest.rows(job_id for job_id, kind in untold.items() if kind == CREATED))
        asked = (job_id for job_id, kind in untold.items() if kind == ROW)
        told = {row.job.id: row for row in self.plane.interest.rows(asked)}
        changed = [
            (kind, row) for kind, job_id in keys if job_id in self.shown for row in self.plane.interest.rows([job_id])
        ]
        typed: list[str] = []
        if self.style is None:
            told.update((row.job.id, row) for row in fresh)
            told.update((row.job.id, row) for kind, row in changed if kind == ROW)
        else:
            typed = list(self.style.told([*((CREATED, row) for row in fresh), *changed], self.plane.clock.now()))
        self.leave([row.job.id for _, row in changed if not self.belongs(row.job)])
        return [*typed, *self._snapshot_of(told.values(), parts)]

    def belongs(self, job: Job) -> bool:
        """Whether a shown row still is what was asked for."""
        return True

    async def news(self, keys: Sequence[Key]) -> tuple[list[Row], dict[str, str]]:
        """Rows that came into the view by themselves, and other parts of the next snapshot, as JSON."""
        return [], {}

    def close(self) -> None:
        """Watch nothing any more."""
        self._forget(list(self.shown))

    # --- for subclasses

    async def take(self, jobs: Sequence[Job]) -> list[Row]:
        """Show these rows from now on; a snapshot that tells them must follow."""
        await self.plane.interest.watch(self, jobs)
        self.shown.update((job.id, None) for job in jobs)
        rows = list(self.plane.interest.rows(job.id for job in jobs))
        for row in rows:
            self._gone.pop(row.job.id, None)
            if self.style is not None:
                self.style.known(row)
        return rows

    async def _take_asked(self) -> list[Row]:
        """Show what the client said is in sight; what does not exist is gone."""
        asked = list(self._asked)
        if not asked:
            return []
        rows = await self.take(await self.plane.store.jobs_by_id(sorted(asked)))
        for job_id in asked:
            self._asked.pop(job_id, None)
        self._gone.update((job_id, None) for job_id in asked if job_id not in self.shown)
        return rows

    def leave(self, ids: Iterable[int]) -> None:
        """Show these no more, and say so with the next snapshot."""
        left = [job_id for job_id in ids if job_id in self.shown]
        self._forget(left)
        self._gone.update(dict.fromkeys(left))

    def rows_messages(self, rows: Iterable[Row], gone: Sequence[int], *, full: bool, **parts: str) -> list[str]:
        """A snapshot of these rows, in messages of a bounded size: what a client that does not read costs."""
        now = self.plane.clock.now()
        texts = [row.as_row(now) for row in rows]
        if len(texts) <= 1 and not gone:  # most messages
            return [self.snapshot(full=full, rows=f"[{','.join(texts)}]", gone="[]", **parts)]
        pieces = _pieces(texts)
        last = len(pieces) - 1
        return [
            self.snapshot(
                full=full and not n,
                rows=f"[{','.join(piece)}]",
                gone=json_of([str(job_id) for job_id in gone]) if n == last else "[]",
                **(parts if not n else {}),
                **({"more": "true"} if n < last else {}),
            )
            for n, piece in enumerate(pieces)
        ]

    def _forget(self, ids: Iterable[int]) -> None:
        ids = [job_id for job_id in ids if job_id in self.shown]
        self.plane.interest.unwatch(self, ids)
        for job_id in ids:
            del self.shown[job_id]
            self._untold.pop(job_id, None)
            if self.style is not None:
                self.style.forget(job_id)

    def _snapshot_of(self, rows: Iterable[Row], parts: dict[str, str]) -> list[str]:
        rows = list(rows)
        gone, self._gone = list(self._gone), {}
        if not (rows or gone or parts):
            return []
        return self.rows_messages(rows, gone, full=False, **parts)


def _pieces(rows: Sequence[str]) -> list[list[str]]:
    """Rows in pieces of about `MAX_PIECE` characters; one piece at least."""
    pieces: list[list[str]] = [[]]
    size = 0
    for row in rows:
        if size and size + len(row) > MAX_PIECE:
            pieces.append([])
            size = 0
        pieces[-1].append(row)
        size += len(row)
    return pieces
