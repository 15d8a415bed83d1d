"""What `quaero run` shows while a tree runs: bars on a terminal, plain lines anywhere else. Always on stderr.

A view is handed a `Snapshot` a few times a second and draws it; it asks the store nothing and keeps no history but the
pace. All text of jobs is cleaned before it is drawn.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from quaero.cli.output import message
from quaero.domain.durations import format_duration
from quaero.domain.eta import Eta, Pace, done
from quaero.domain.job import Job
from quaero.domain.printable import one_line
from quaero.domain.status import WORDS
from quaero.domain.tally import Tally, progress_text
from quaero.domain.wiretree import may_grow

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

SHOWN_LINES = 8
PLAIN_EVERY = 1_000_000  # microseconds between two plain lines of progress
STYLES = {"completed": "green", "failed": "red", "cancelled": "yellow", "running": "cyan", "waiting": "cyan"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tree at one moment: its root, its steps, its last log lines (oldest first), and how fast it goes."""

    at: int
    root: Job
    steps: list[Job]
    lines: list[str]
    pace: Pace

    @property
    def tally(self) -> Tally:
        """What people are shown: everything below the steps, or the children, or else the job itself."""
        tally = self.root.shown_tally
        return tally if tally.total else _alone(self.root)

    @property
    def elapsed(self) -> int:
        """Microseconds since the root began."""
        end = self.root.finished_at if self.root.is_terminal else self.at
        return max(0, end - self.root.started_at) if self.root.started_at else 0

    @property
    def eta(self) -> Eta | None:
        """How much longer, as a range."""
        return self.pace.eta(self.tally, growing=may_grow(self.root, self.steps))


def _alone(job: Job) -> Tally:
    counts = [0] * 6
    counts[job.status] = 1
    return Tally(*counts)


class View(Protocol):
    """Something that shows snapshots until it is closed."""

    def show(self, snapshot: Snapshot) -> None:
        """Show the tree as it is now."""

    def close(self) -> None:
        """Show nothing more; what was shown stays."""


def pace_text(snapshot: Snapshot) -> str:
    """Rate, ETA range and growth, e.g. `41.2/s, 12m to 19m left if no more children come; spawning 40/s`."""
    parts = [f"{snapshot.pace.rate:.1f}/s"]
    if (eta := snapshot.eta) is not None:
        parts.append(f"{eta.text} left" + (" if no more children come" if eta.growing else ""))
    text = ", ".join(parts)
    spawning = snapshot.pace.spawn_rate
    return f"{text}; spawning {spawning:.0f}/s" if spawning >= 1 else text


def title(root: Job) -> str:
    """How people call a tree."""
    return f"{one_line(root.name or root.kind, 60)} (job {root.id})"


@dataclass(slots=True)
class PlainView:
    """A line for every change of status of the root or a step, and of progress at most once a second."""

    _statuses: dict[int, int] = field(default_factory=dict)
    _told: str = ""
    _told_at: int = 0

    def show(self, snapshot: Snapshot) -> None:
        """Print what is new."""
        for job in (snapshot.root, *snapshot.steps):
            if self._statuses.get(job.id) != job.status:
                self._statuses[job.id] = job.status
                name = f"step {one_line(job.name or job.kind, 60)}" if job.is_step else title(job)
                message(f"{name}: {WORDS[job.status]}")
        text = progress_text(snapshot.tally)
        due = snapshot.at - self._told_at >= PLAIN_EVERY or snapshot.root.is_terminal
        if snapshot.root.shown_tally.total and text != self._told and due:
            self._told, self._told_at = text, snapshot.at
            message(text if snapshot.root.is_terminal else f"{text}; {pace_text(snapshot)}")

    def close(self) -> None:
        """Nothing is left open."""


class LiveView:
    """Bars, counts, pace and the last lines, redrawn in place; it follows the terminal's size."""

    def __init__(self, console: "Console | None" = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=console or Console(stderr=True), auto_refresh=False, redirect_stdout=False)
        self._live.start()

    def show(self, snapshot: Snapshot) -> None:
        """Redraw."""
        self._live.update(draw(snapshot), refresh=True)

    def close(self) -> None:
        """Leave the last picture standing and give the cursor back."""
        self._live.stop()


def draw(snapshot: Snapshot) -> "RenderableType":
    """The picture of a snapshot."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    status = WORDS[snapshot.root.status]
    head = Text.assemble(
        (title(snapshot.root), "bold"), "  ", (status, STYLES.get(status, "")), f"  {format_duration(snapshot.elapsed)}"
    )
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True, max_width=24, overflow="ellipsis")
    grid.add_column(ratio=1, min_width=5)  # the bar takes what the words leave
    grid.add_column(no_wrap=True, overflow="ellipsis")
    for job in snapshot.steps or [snapshot.root]:
        _add_bar(grid, job)
    foot = [] if snapshot.root.is_terminal else [Text(pace_text(snapshot), style="dim")]
    lines = [Text(line, style="dim", overflow="ellipsis", no_wrap=True) for line in snapshot.lines[-SHOWN_LINES:]]
    return Group(head, grid, *foot, *lines)


def _add_bar(grid: "Table", job: Job) -> None:
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    tally = job.below if job.is_step and job.below.total else job.shown_tally
    counted = tally if tally.total else _alone(job)
    status = WORDS[job.status]
    name = one_line(job.name or job.kind, 24)
    bar = ProgressBar(counted.total, done(counted), complete_style=STYLES.get(status, "cyan"))
    text = progress_text(tally) if tally.total else status
    grid.add_row(Text(name), bar, Text(text, style="red" if counted.failed else ""))
