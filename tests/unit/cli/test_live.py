"""What `quaero run` shows: bars on a terminal, plain lines elsewhere, nothing a job could abuse."""

import io
from typing import Any

import msgspec
import pytest
from rich.console import Console

from quaero.cli.live import LiveView, PlainView, Snapshot, draw, lasted
from quaero.client.models import Job
from quaero.domain.eta import Pace
from quaero.domain.job import Job as DomainJob
from quaero.domain.wire import WireTally
from quaero.domain.wiretree import WireEta, WireStepState, wire_job_detail

SECOND = 1_000_000


def a_tally(pending: int = 0, running: int = 0, completed: int = 0, failed: int = 0) -> WireTally:
    return WireTally(pending + running + completed + failed, pending, running, completed, failed, 0)


def told(tally: WireTally) -> str:
    return f"{tally.pending} pending, {tally.running} running, {tally.completed} completed, {tally.failed} failed"


def a_job(tally: WireTally | None = None, **fields: Any) -> Job:
    tally = tally or a_tally()
    wire = wire_job_detail(DomainJob(1, 1, "fetch", started_at=SECOND), [], {}, now=SECOND)
    job = msgspec.json.decode(msgspec.json.encode(wire), type=Job)
    return msgspec.structs.replace(job, **{"tally": tally, "progress_text": told(tally), **fields})


def a_step(name: str, status: str = "pending", tally: WireTally | None = None) -> WireStepState:
    tally = tally or a_tally()
    return WireStepState(f"of {name}", name, status, tally, told(tally), 1)


def a_snapshot(root: Job, *, at: int = 10 * SECOND, lines: list[str] | None = None, waits: str = "") -> Snapshot:
    snapshot = Snapshot(at, root, lines or [], Pace(), waits)
    snapshot.pace.saw(at, snapshot.tally)
    return snapshot


def a_parent(pending: int, completed: int, **fields: Any) -> Job:
    return a_job(a_tally(pending, completed=completed), **{"status": "waiting", **fields})


def drawn(snapshot: Snapshot, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(draw(snapshot))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_lines_tell_each_change_of_status_once(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView()
    for _ in range(2):
        view.show(a_snapshot(a_job(name="News", steps=[a_step("crawl")])))
    view.show(a_snapshot(a_job(name="News", status="waiting", steps=[a_step("crawl", "running")])))

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "News (job 1): pending",
        "step crawl: pending",
        "News (job 1): waiting",
        "step crawl: running",
    ]


def test_plain_progress_comes_at_most_once_a_second_and_always_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView()
    for n in range(21):
        view.show(a_snapshot(a_parent(100 - n, n), at=10 * SECOND + n * SECOND // 10))
    view.show(a_snapshot(a_parent(0, 100, status="completed"), at=12 * SECOND + 1))

    progress = [line for line in capsys.readouterr().err.splitlines() if " pending, " in line]
    assert [line.split(";")[0] for line in progress] == [
        "100 pending, 0 running, 0 completed, 0 failed",
        "90 pending, 0 running, 10 completed, 0 failed",
        "80 pending, 0 running, 20 completed, 0 failed",
        "0 pending, 0 running, 100 completed, 0 failed",
    ]


def test_the_picture_has_a_bar_and_the_counts_of_every_step() -> None:
    tally = a_tally(66, 1, 41)
    steps = [a_step("crawl", "waiting", tally), a_step("tell")]

    picture = drawn(
        a_snapshot(a_job(tally, name="News", status="waiting", steps=steps), lines=["first line", "last line"])
    )

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
    for second in range(10):
        root = a_parent(50 + 40 * second, 10 * second, eta=WireEta(1, 2, growing=True))
        snapshot = Snapshot(second * SECOND, root, [], pace)
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


def test_what_a_tree_waits_for_is_said_now_and_then_and_stands_in_the_picture(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = PlainView()
    for second in range(100, 170):
        view.show(a_snapshot(a_job(), at=second * SECOND, waits=f"it waits for its turn: {second}"))

    waits = [line for line in capsys.readouterr().err.splitlines() if "waits" in line]
    assert waits == [f"it waits for its turn: {second}" for second in (100, 130, 160)]
    assert "it waits for its turn: 7" in drawn(a_snapshot(a_job(), waits="it waits for its turn: 7"))


def test_how_long_it_took_is_from_its_start_to_its_end_or_to_now() -> None:
    begun = "2026-11-22T16:00:00.000Z"
    ended = "2026-11-22T16:00:01.500Z"
    now = 1_795_363_210_000_000  # ten seconds later

    assert lasted(a_job(started_at=None), now) == 0
    assert lasted(a_job(started_at=begun), now) == 10 * SECOND
    assert lasted(a_job(started_at=begun, finished_at=ended, status="completed"), now) == 3 * SECOND // 2
    assert lasted(a_job(started_at=begun, finished_at=ended, status="running"), now) == 10 * SECOND
