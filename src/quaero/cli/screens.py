"""What `quaero watch` shows: the queue, or one tree with its steps, its failures and its log.

A screen asks the client for its state once a second, draws it into whatever room there is, and is told of keys. It
answers a key with the screen to go to, or None to stay. Text of jobs is cleaned before it is drawn.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from quaero.cli.live import STYLES
from quaero.cli.output import clock_time, plural
from quaero.domain.errors import QuaeroError
from quaero.domain.printable import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from quaero.client import AsyncClient, Entry, Job
    from quaero.domain.wire import WireTally
    from quaero.domain.wiretree import WireStepState

KEPT_LINES = 2_000
SHOWN_CHILDREN = SHOWN_FAILURES = 3
LEVELS = ("debug", "info", "warn", "error")
BAR = 24


class Screen(Protocol):
    """One full-screen view."""

    hint: str

    async def refresh(self) -> None:
        """Ask for the state as it is now."""

    def draw(self, width: int, height: int) -> "list[RenderableType]":
        """At most `height` lines."""

    def press(self, key: str) -> "Screen | None":
        """A key; the screen to go to, None to stay."""

    async def leave(self) -> None:
        """It is not shown any more."""


class QueueScreen:
    """The counts of the whole queue, and its newest roots."""

    hint = "↑↓ choose · enter open · q leave"

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client
        self._stats: dict[str, Any] = {}
        self._jobs: list[Job] = []
        self._chosen = 0
        self._shown = 20

    async def refresh(self) -> None:
        """Ask for counts and roots."""
        self._stats = await self._client.stats()
        self._jobs = (await self._client.jobs_page(limit=max(self._shown, 1))).items
        self._chosen = max(0, min(self._chosen, len(self._jobs) - 1))

    def draw(self, width: int, height: int) -> "list[RenderableType]":
        """Counts, then a line for each root that fits."""
        from rich.text import Text

        self._shown = min(1_000, max(1, height - 3))
        names = ("pending", "running", "waiting", "completed", "failed", "cancelled")
        counts = Text("  ").join(
            Text(f"{self._stats.get(name, 0):,} {name}", STYLES.get(name, "") if self._stats.get(name) else "dim")
            for name in names
        )
        counts.no_wrap, counts.overflow = True, "ellipsis"
        workers = sum(1 for worker in self._stats.get("workers", ()) if worker["state"] == "live")
        pace = Text(f"{self._stats.get('throughput', 0):.1f} jobs/s, {plural(workers, 'worker')}", style="dim")
        return [counts, pace, self._table(), *([] if self._jobs else [Text("no jobs yet", style="dim")])]

    def _table(self) -> "Table":
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1), expand=True)
        for ratio in (None, None, 2, 3, None):
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio)
        for n, job in enumerate(self._jobs[: self._shown]):
            status = Text(job.status, STYLES.get(job.status, ""))
            progress = job.progress_text if job.tally.total else ""
            name = Text(one_line(job.name or job.kind, 60))
            style = "reverse" if n == self._chosen else ""
            table.add_row(job.id, status, name, progress, clock_time(job.created_at)[:8], style=style)
        return table

    def press(self, key: str) -> "Screen | None":
        """Choose a root, or open it."""
        moves = {"up": -1, "down": 1, "page up": -self._shown, "page down": self._shown, "home": -10_000, "end": 10_000}
        if key in ("enter", "right") and self._jobs:
            return TreeScreen(self._client, self._jobs[self._chosen].id)
        self._chosen = max(0, min(self._chosen + moves.get(key, 0), len(self._jobs) - 1))
        return None

    async def leave(self) -> None:
        """It holds nothing open."""


class TreeScreen:
    """One job with all below it: progress, steps, failures, and the end of its log, live."""

    hint = "↑↓ scroll · l level · ← back · q leave"

    def __init__(self, client: "AsyncClient", job_id: str) -> None:
        self._client = client
        self._id = job_id
        self._job: Job | None = None
        self._errors: list[dict[str, Any]] = []
        self._running: list[Job] = []
        self._lines: deque[Entry] = deque(maxlen=KEPT_LINES)
        self._level = "info"
        self._back = 0  # lines scrolled back
        self._following: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Ask for the job and its failures; the log comes by itself."""
        self._job = await self._client.job(self._id)
        self._errors = await self._client.errors(self._id)
        self._running = await self._quietest(self._job)
        if self._following is None:
            self._following = asyncio.create_task(self._follow(self._level))

    async def _quietest(self, job: "Job") -> "list[Job]":
        """Children that run now, those that said nothing for longest first: of the job, or of its steps."""
        parents = [step.id for step in job.steps or () if step.tally.running] or [job.id]
        pages = [
            await self._client.children_page(parent, order="-silent", limit=SHOWN_CHILDREN)
            for parent in (parents[:SHOWN_CHILDREN] if job.tally.running else ())
        ]
        return [child for page in pages for child in page.items][:SHOWN_CHILDREN]

    async def _follow(self, level: str) -> None:
        with suppress(QuaeroError):  # deleted meanwhile: the next look tells
            async for page in self._client.follow(self._id, level=level, limit=200).pages():
                self._lines.extend(page)
                self._back += len(page) if self._back else 0  # who scrolled back stays where he is

    def draw(self, width: int, height: int) -> "list[RenderableType]":
        """Head, bars, what runs and what failed first; the log has the lines that are left."""
        from rich.text import Text

        job = self._job
        if job is None:
            return [Text("…", style="dim")]
        head = Text.assemble(
            (f"{one_line(job.name or job.kind, 60)} (job {job.id})", "bold"),
            "  ",
            (job.status, STYLES.get(job.status, "")),
        )
        head.no_wrap, head.overflow = True, "ellipsis"
        steps = (job.steps or [])[: max(1, height // 3)]
        children = [*self._told_running(), *self._told_failed()]
        lines = self._tail(max(0, height - 2 - max(1, len(steps)) - len(children)))
        return [head, _bars(job, steps, min(BAR, width // 3)), *children, Text("─" * width, style="dim"), *lines]

    def _told_running(self) -> "Iterator[Text]":
        from rich.text import Text

        if self._running:
            names = ", ".join(f"{one_line(job.name or job.kind, 40)} (job {job.id})" for job in self._running)
            yield Text(f"running, quietest first: {names}", style="cyan", no_wrap=True, overflow="ellipsis")

    def _told_failed(self) -> "Iterator[Text]":
        from rich.text import Text

        for group in self._errors[:SHOWN_FAILURES]:
            example = "".join(f" (job {job_id})" for job_id in group["example_job_ids"][:1])
            text = f"{group['count']:,} ×{example} {one_line(group['message'], 400)}"
            yield Text(text, style="red", no_wrap=True, overflow="ellipsis")

    def _tail(self, n: int) -> "list[RenderableType]":
        from rich.text import Text

        self._back = max(0, min(self._back, len(self._lines) - n))
        end = len(self._lines) - self._back
        styles = {"error": "red", "warn": "yellow", "debug": "dim"}
        return [
            Text(
                f"{clock_time(entry.timestamp)} {entry.level:<5} {one_line(entry.message, 400)}",
                style=styles.get(entry.level, ""),
                no_wrap=True,
                overflow="ellipsis",
            )
            for entry in list(self._lines)[max(0, end - n) : end]
        ]

    def press(self, key: str) -> "Screen | None":
        """Scroll the log, or take another level."""
        moves = {"up": 1, "down": -1, "page up": 20, "page down": -20, "home": KEPT_LINES, "end": -KEPT_LINES}
        self._back = max(0, self._back + moves.get(key, 0))
        if key == "l":
            self._level = LEVELS[(LEVELS.index(self._level) + 1) % len(LEVELS)]
            self._lines.clear()
            if self._following is not None:
                self._following.cancel()
            self._following = asyncio.create_task(self._follow(self._level))
        return None

    async def leave(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})


def _bars(job: "Job", steps: "list[WireStepState]", width: int) -> "Table":
    from rich.table import Table

    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True, max_width=24, overflow="ellipsis")
    grid.add_column(width=width)
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    if not steps:
        _add_bar(grid, "", job.status, job.tally, job.progress_text if job.tally.total else "")
    for step in steps:
        _add_bar(grid, step.name, step.status, step.tally, step.progress_text if step.tally.total else step.status)
    return grid


def _add_bar(grid: "Table", name: str, status: str, tally: "WireTally", text: str) -> None:
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    done = tally.completed + tally.failed + tally.cancelled
    is_over = status in ("completed", "failed", "cancelled")
    total, done = (tally.total, done) if tally.total else (1, int(is_over))
    bar = ProgressBar(total, done, complete_style=STYLES.get(status, "cyan"))
    grid.add_row(Text(one_line(name, 24)), bar, Text(text, style="red" if tally.failed else ""))
