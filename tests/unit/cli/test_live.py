"""What `quaero run` shows: bars on a terminal, plain lines elsewhere, nothing a job could abuse."""

import io
from typing import Any

import pytest
from rich.console import Console

from quaero.cli.live import LiveView, PlainView, Snapshot, draw
from quaero.domain.eta import Pace
from quaero.domain.job import Job
from quaero.domain.status import JobStatus

SECOND = 1_000_000
S = JobStatus


def a_job(job_id: int = 1, **changes: Any) -> Job:
    job = Job(job_id, 1, "fetch", started_at=SECOND)
    for name, value in changes.items():
        setattr(job, name, value)
    return job


def a_snapshot(root: Job, *steps: Job, at: int = 10 * SECOND, lines: list[str] | None = None) -> Snapshot:
    snapshot = Snapshot(at, root, list(steps), lines or [], Pace())
    snapshot.pace.saw(at, snapshot.tally)
    return snapshot


def a_parent(pending: int, completed: int, **changes: Any) -> Job:
    tallies = [pending, 0, 0, completed, 0, 0] + [0] * 6
    return a_job(**{"status": S.WAITING, "sealed": 1, "tallies": tallies, **changes})


def drawn(snapshot: Snapshot, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(draw(snapshot))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_lines_tell_each_change_of_status_once(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView()
    step = a_job(2, parent_id=1, is_step=1, name="crawl")

    view.show(a_snapshot(a_job(name="News"), step))
    view.show(a_snapshot(a_job(name="News"), step))
    step.status = S.RUNNING
    view.show(a_snapshot(a_job(name="News", status=S.WAITING), step))

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "News (job 1): pending",
        "step crawl: pending",
        "News (job 1): waiting",
        "step crawl: running",
    ]


def test_plain_progress_comes_at_most_once_a_second_and_always_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView()
    for n in range(21):
        view.show(a_snapshot(a_parent(100 - n, n), at=10 * SECOND + n * SECOND // 10))
    view.show(a_snapshot(a_job(status=S.COMPLETED, tallies=[0, 0, 0, 100, 0, 0] + [0] * 6), at=12 * SECOND + 1))

    progress = [line for line in capsys.readouterr().err.splitlines() if " pending, " in line]
    assert [line.split(";")[0] for line in progress] == [
        "100 pending, 0 running, 0 completed, 0 failed",
        "90 pending, 0 running, 10 completed, 0 failed",
        "80 pending, 0 running, 20 completed, 0 failed",
        "0 pending, 0 running, 100 completed, 0 failed",
    ]


def test_the_picture_has_a_bar_and_the_counts_of_every_step() -> None:
    root = a_job(name="News", status=S.WAITING, definition="news", sealed=1, tallies=[0] * 6 + [66, 1, 0, 41, 0, 0])
    crawl = a_job(2, parent_id=1, is_step=1, name="crawl", status=S.WAITING, tallies=[0] * 6 + [66, 1, 0, 41, 0, 0])
    tell = a_job(3, parent_id=1, is_step=1, name="tell")

    picture = drawn(a_snapshot(root, crawl, tell, lines=["first line", "last line"]))

    assert "News (job 1)" in picture
    assert "66 pending, 1 running, 41 completed, 0 failed" in picture
    assert picture.count("━") > 10
    assert "tell" in picture
    assert picture.index("first line") < picture.index("last line")


def test_the_picture_fits_any_terminal() -> None:
    root = a_parent(10, 5, name="A name that is much longer than any name has a right to be, really")
    snapshot = a_snapshot(root, lines=["x" * 500])

    for width in (20, 40, 80, 200):
        assert max(map(len, drawn(snapshot, width).splitlines())) <= width


def test_a_name_cannot_carry_markup_or_control_sequences_into_the_picture() -> None:
    picture = drawn(a_snapshot(a_parent(1, 1, name="[bold red]x[/] \x1b[2J\x1b]0;owned\x07")))

    assert "\x1b" not in picture
    assert "[bold red]x[/]" in picture


def test_the_pace_tells_a_range_and_that_children_still_come() -> None:
    pace = Pace()
    root = a_parent(0, 0, sealed=0)
    for second in range(10):
        root.tallies = [50 + 40 * second, 0, 0, 10 * second, 0, 0] + [0] * 6
        snapshot = Snapshot(second * SECOND, root, [], [], pace)
        pace.saw(second * SECOND, snapshot.tally)

    picture = drawn(snapshot)

    assert "10.0/s" in picture
    assert "left if no more children come; spawning 50/s" in picture


def test_the_live_view_redraws_and_gives_the_terminal_back() -> None:
    out = io.StringIO()
    view = LiveView(Console(file=out, force_terminal=True, width=80))

    view.show(a_snapshot(a_parent(10, 0)))
    view.show(a_snapshot(a_parent(0, 10)))
    view.close()

    shown = out.getvalue()
    assert "10 pending" in shown
    assert "10 completed" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is visible again
