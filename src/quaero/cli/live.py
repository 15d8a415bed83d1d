"""What `quaero run` shows while a tree runs: bars on a terminal, plain lines anywhere else. Always on stderr.

A view is handed a `Snapshot` a few times a second and draws it; it asks nobody anything and keeps no history but the
pace. All text of jobs is cleaned before it is drawn.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from quaero.cli.output import message
from quaero.client.models import Job
from quaero.domain.durations import format_duration
from quaero.domain.eta import Eta, Pace, done
from quaero.domain.printable import one_line
from quaero.domain.tally import Tally
from quaero.domain.wire import parse_time
from quaero.domain.wiretree import WireStepState

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

SHOWN_LINES = 8
PLAIN_EVERY = 1_000_000  # microseconds between two plain lines of progress
WAITS_EVERY = 30_000_000  # the same of what it waits for
STYLES = {"completed": "green", "failed": "red", "cancelled": "yellow", "running": "cyan", "waiting": "cyan"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tree at one moment: its root, its last log lines (oldest first), how fast it goes, what it waits for."""

    at: int
    root: Job
    lines: list[str]
    pace: Pace
    waits: str = ""

    @property
    def tally(self) -> Tally:
        """What people are shown: everything below the steps, or the children, or else the job itself."""
        return counted(self.root)

    @property
    def eta(self) -> Eta | None:
        """How much longer, as a range."""
        return self.pace.eta(self.tally, growing=self.root.eta is not None and self.root.eta.growing)


def counted(job: Job | WireStepState) -> Tally:
    """What is below a job by status, or else the job itself."""
    told = job.tally
    if told.total:
        return Tally(told.pending, told.running, 0, told.completed, told.failed, told.cancelled)
    return Tally(**{job.status: 1})


def lasted(job: Job, now: int) -> int:
    """Microseconds from a job's start to its end, or to `now`; 0 before it began."""
    if job.started_at is None:
        return 0
    end = parse_time(job.finished_at) if job.is_terminal and job.finished_at else now  # a retried one ended before
    return max(0, end - parse_time(job.started_at))


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

    _statuses: dict[str, str] = field(default_factory=dict)
    _told: str = ""
    _told_at: int = 0
    _waits_at: int = 0

    def show(self, snapshot: Snapshot) -> None:
        """Print what is new."""
        root = snapshot.root
        self._tell_status(root.id, title(root), root.status)
        for step in root.steps or ():
            self._tell_status(step.id, f"step {one_line(step.name, 60)}", step.status)
        if snapshot.waits and snapshot.at - self._waits_at >= WAITS_EVERY:
            self._waits_at = snapshot.at
            message(snapshot.waits)
        due = snapshot.at - self._told_at >= PLAIN_EVERY or root.is_terminal
        if root.tally.total and root.progress_text != self._told and due:
            self._told, self._told_at = root.progress_text, snapshot.at
            message(self._told if root.is_terminal else f"{self._told}; {pace_text(snapshot)}")

    def _tell_status(self, job_id: str, name: str, status: str) -> None:
        if self._statuses.get(job_id) != status:
            self._statuses[job_id] = status
            message(f"{name}: {status}")

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

    root = snapshot.root
    elapsed = format_duration(lasted(root, snapshot.at))
    head = Text.assemble((title(root), "bold"), "  ", (root.status, STYLES.get(root.status, "")), f"  {elapsed}")
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True, max_width=24, overflow="ellipsis")
    grid.add_column(ratio=1, min_width=5)  # the bar takes what the words leave
    grid.add_column(no_wrap=True, overflow="ellipsis")
    for step in root.steps or ():
        _add_bar(grid, step.name, step)
    if not root.steps:
        _add_bar(grid, root.name or root.kind, root)
    foot = [] if root.is_terminal else [Text(snapshot.waits or pace_text(snapshot), style="dim")]
    lines = [Text(line, style="dim", overflow="ellipsis", no_wrap=True) for line in snapshot.lines[-SHOWN_LINES:]]
    return Group(head, grid, *foot, *lines)


def _add_bar(grid: "Table", name: str, job: Job | WireStepState) -> None:
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    tally = counted(job)
    bar = ProgressBar(tally.total, done(tally), complete_style=STYLES.get(job.status, "cyan"))
    text = job.progress_text if job.tally.total else job.status
    grid.add_row(Text(one_line(name, 24)), bar, Text(text, style="red" if tally.failed else ""))
