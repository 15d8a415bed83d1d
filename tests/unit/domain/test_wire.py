"""The public shapes: exactly the fields of the interface, exactly its words."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.domain.cursor import Cursor, parse_cursor, resume
from quaero.domain.entries import Entry, Originator
from quaero.domain.errors import Conflict, NotFound, StoreFull, UnknownKind
from quaero.domain.eta import Pace, estimate
from quaero.domain.job import Job
from quaero.domain.status import JobStatus
from quaero.domain.tally import Tally
from quaero.domain.wire import parse_id, parse_time, problem, rfc3339, wire_entry, wire_job
from quaero.domain.wiretree import WireErrorGroup, wire_job_detail, wire_step, wire_tree

AT = 1_763_827_323_004_567
SECOND = 1_000_000


def as_json(value: object) -> dict[str, object]:
    decoded: dict[str, object] = msgspec.json.decode(msgspec.json.encode(value))
    return decoded


def a_job(**changes: object) -> Job:
    job = Job(7, 7, "fetch", created_at=AT)
    for name, value in changes.items():
        setattr(job, name, value)
    return job


def an_entry(**changes: object) -> Entry:
    plain = {"seq": 9, "line_number": 4, "at": AT, "level": 1, "message": "hello", "job_id": 8, "root_id": 7}
    return msgspec.convert({**plain, **changes}, Entry)


def test_a_job_has_exactly_the_public_fields() -> None:
    shown = as_json(wire_job(a_job()))

    assert " ".join(shown) == (
        "id kind job_type name status parent_id root_id step attempt max_attempts round priority tags payload result"
        " error progress counts tally progress_text warnings cancel_requested created_at started_at finished_at"
        " version log_head"
    )
    assert shown["id"] == shown["root_id"] == "7"
    assert shown["job_type"] == shown["kind"] == "fetch"
    assert shown["created_at"] == "2025-11-22T16:02:03.004Z"
    assert shown["started_at"] is None
    assert shown["cancel_requested"] is False
    assert shown["tags"] == []


def test_json_of_a_job_is_shown_as_it_was_recorded() -> None:
    error = b'{"type":"E","message":"m","traceback":"","fingerprint":"f"}'
    shown = as_json(wire_job(a_job(payload=b'{"n":1.50}', result=b"[1]", error=error, tags='["a"]', counts=b'{"x":2}')))

    assert (shown["payload"], shown["result"], shown["tags"], shown["counts"]) == ({"n": 1.5}, [1], ["a"], {"x": 2})
    assert shown["error"] == {"type": "E", "message": "m", "traceback": "", "fingerprint": "f"}


def test_a_parent_shows_its_children_and_running_includes_waiting() -> None:
    shown = as_json(wire_job(a_job(tallies=[66, 0, 1, 41, 0, 2, 9, 9, 9, 9, 9, 9])))

    assert shown["progress_text"] == "66 pending, 1 running, 41 completed, 0 failed"
    assert shown["tally"] == {
        "total": 110,
        "pending": 66,
        "running": 1,
        "completed": 41,
        "failed": 0,
        "cancelled": 2,
    }


def test_a_definitions_root_shows_what_is_below_its_steps() -> None:
    shown = as_json(wire_job(a_job(definition="news", tallies=[0, 0, 1, 1, 0, 0, 5, 1, 0, 3, 2, 0])))

    assert shown["progress_text"] == "5 pending, 1 running, 3 completed, 2 failed"


def test_a_job_in_a_step_names_it_and_a_step_names_itself() -> None:
    child = a_job(id=9, parent_id=8, step_id=8, last_seq=5)
    step = a_job(id=8, parent_id=7, step_id=8, is_step=1, name="crawl")

    assert as_json(wire_job(child, {8: "crawl"}))["step"] == "crawl"
    assert as_json(wire_job(child, {8: "crawl"}))["log_head"] == 5
    assert as_json(wire_job(step))["step"] == "crawl"


def test_an_entry_has_exactly_the_public_fields() -> None:
    plain = as_json(wire_entry(an_entry()))
    full = as_json(
        wire_entry(an_entry(step_id=8, level=2, originator=Originator.SYSTEM, fields={"a": 1}), {8: "crawl"})
    )

    words = "seq line_number timestamp full_timestamp level message job_id root_id step step_id originator"
    assert " ".join(plain) == words
    assert " ".join(full) == f"{words} fields"
    assert plain["timestamp"] == plain["full_timestamp"] == "2025-11-22T16:02:03.004Z"
    assert (plain["level"], plain["originator"]) == ("info", "worker")
    assert (full["level"], full["originator"], full["step"], full["step_id"]) == ("warn", "system", "crawl", "8")


def test_a_childs_change_of_status_read_in_its_parents_scope_tells_the_parents_counts() -> None:
    fields = {"status": "completed", "tally": Tally(66, 1, 0, 41, 0, 0).to_wire()}
    entry = an_entry(message="Status changed: completed", fields=fields, originator=Originator.SYSTEM)
    forged = an_entry(message="Status changed: completed", fields=fields)

    assert wire_entry(entry).message == "Status changed: completed"
    told = wire_entry(entry, in_parent=True).message
    assert told == "Child job 8 → completed. 66 pending, 1 running, 41 completed, 0 failed"
    assert wire_entry(forged, in_parent=True).message == "Status changed: completed"


def test_a_tree_shows_its_steps_and_opens_those_that_run_or_failed() -> None:
    below = [0] * 6 + [1, 2, 3, 4, 5, 6]
    step = a_job(id=8, name="crawl", status=JobStatus.WAITING, started_at=AT, lines=12, tallies=below)
    shown = as_json(wire_tree(a_job(name="News"), [wire_step(step, [WireErrorGroup("no", 5, "11")], AT + SECOND)]))

    assert list(shown) == ["job_id", "name", "status", "steps"]
    assert shown["steps"] == [
        {
            "step_id": "8",
            "name": "crawl",
            "status": "waiting",
            "duration_ms": 1000,
            "expanded": True,
            "child_summary": {
                "total": 21,
                "pending": 1,
                "running": 5,
                "completed": 4,
                "failed": 5,
                "cancelled": 6,
                "error_groups": [{"message": "no", "count": 5, "example_job_id": "11"}],
            },
            "total_logs": 12,
        }
    ]


def test_one_job_looked_at_closely_has_its_steps_and_an_eta_only_while_it_has_open_work() -> None:
    root = a_job(definition="news", started_at=AT, status=JobStatus.WAITING, tallies=[0] * 6 + [100, 0, 0, 100, 0, 0])
    step = a_job(id=8, parent_id=7, is_step=1, name="crawl", sealed=1, tallies=[0] * 12)
    root.sealed = 1

    shown = as_json(wire_job_detail(root, [step], {}, now=AT + 100 * SECOND))
    leaf = as_json(wire_job_detail(a_job(), [], {}, now=AT))

    assert [one["name"] for one in shown["steps"]] == ["crawl"]  # type: ignore[attr-defined]
    eta = shown["eta"]
    assert isinstance(eta, dict)
    assert eta["low_ms"] < 100_000 < eta["high_ms"]
    assert eta["growing"] is False
    assert "eta" not in leaf
    assert "steps" not in leaf


def test_times_go_out_and_come_back() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert parse_time(rfc3339(AT)) == AT - 567
    assert parse_time("2026-11-22T17:00:00+01:00") == parse_time("2026-11-22T16:00:00")
    with pytest.raises(ValueError, match="not a time"):
        parse_time("not a time")


@pytest.mark.parametrize(
    ("text", "number"), [("7", 7), ("-7", None), ("7x", None), ("", None), ("٧", None), ("9" * 30, None)]
)
def test_only_decimal_numbers_can_be_ids(text: str, number: int | None) -> None:
    assert parse_id(text) == number


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (NotFound("there is no job 7"), "urn:quaero:not-found", 404),
        (Conflict("job 7 is completed"), "urn:quaero:conflict", 409),
        (UnknownKind("no"), "urn:quaero:unknown-kind", 422),
        (StoreFull("full"), "urn:quaero:store-full", 507),
    ],
)
def test_an_error_becomes_a_problem_with_a_stable_type(error: Exception, kind: str, status: int) -> None:
    shown = problem(error)  # type: ignore[arg-type]

    assert (shown.type, shown.status, shown.detail) == (kind, status, str(error))


def test_a_cursor_comes_back_as_the_position_it_named() -> None:
    cursor = Cursor("a.b", 7, 41)

    assert parse_cursor(cursor.token) == cursor
    assert resume(cursor.token, incarnation="a.b", root_id=7) == (41, False)
    assert resume(None, incarnation="a.b", root_id=7) == (0, False)


@given(st.text(), st.text(max_size=9), st.integers(), st.integers())
def test_whatever_stands_for_a_cursor_is_one_of_ours_or_none(noise: str, name: str, root_id: int, seq: int) -> None:
    for token in (noise, f"{name}.{root_id}.{seq}", f"{noise}.{root_id}.{seq}", f"{name}.{root_id}.{noise}"):
        cursor = parse_cursor(token)
        assert cursor is None or (cursor.incarnation and cursor.root_id >= 0 and cursor.seq >= 0)
        assert cursor is None or parse_cursor(cursor.token) == cursor
        assert resume(token, incarnation="other", root_id=1).seq == 0


@pytest.mark.parametrize("token", ["x.7.41", "a.8.41", "a.7", "a.7.-1", "a.7.4x", "....", "a.7.41.5", "7.41"])
def test_a_cursor_of_another_store_or_tree_starts_again_and_says_so(token: str) -> None:
    assert resume(token, incarnation="a", root_id=7) == (0, True)


def test_an_eta_is_a_range_around_the_linear_guess_and_narrows_with_evidence() -> None:
    few = estimate(Tally(pending=10, completed=10), 10 * SECOND)
    many = estimate(Tally(pending=10_000, completed=10_000), 10 * SECOND)

    assert few is not None
    assert many is not None
    assert few.low < 10 * SECOND < few.high
    assert many.low < 10 * SECOND < many.high
    assert many.high - many.low < few.high - few.low


def test_there_is_no_eta_without_evidence_or_without_open_work() -> None:
    assert estimate(Tally(pending=10, completed=2), SECOND) is None
    assert estimate(Tally(completed=20), SECOND) is None
    assert Pace().eta(Tally(pending=5)) is None


def test_a_pace_covers_both_the_speed_of_late_and_the_speed_since_the_start() -> None:
    pace = Pace()
    for second in range(100):  # ten a second, then one a second
        finished = 10 * second if second < 50 else 500 + (second - 50)
        pace.saw(second * SECOND, Tally(pending=1_000 - finished, completed=finished))

    eta = pace.eta(Tally(pending=451, completed=549))

    assert eta is not None
    assert pace.rate == pytest.approx(1.0, abs=0.1)
    assert eta.low < 451 / 5.5 * SECOND
    assert eta.high > 451 * SECOND
    assert not eta.growing


def test_the_wait_for_the_first_job_is_no_part_of_the_pace() -> None:
    pace = Pace()
    for second in range(20):
        pace.saw(second * SECOND, Tally())
    pace.saw(20 * SECOND, Tally(pending=1_900, completed=100))

    eta = pace.eta(Tally(pending=1_900, completed=100))

    assert pace.rate == pytest.approx(100)
    assert eta is not None
    assert eta.high < 30 * SECOND


def test_a_tree_still_spawning_has_a_growing_eta() -> None:
    pace = Pace()
    for second in range(10):
        pace.saw(second * SECOND, Tally(pending=100 + 40 * second, completed=5 * second))

    eta = pace.eta(Tally(pending=460, completed=45))

    assert pace.spawn_rate == pytest.approx(45)
    assert eta is not None
    assert eta.growing
