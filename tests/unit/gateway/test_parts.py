"""Parts are cut to a bounded size, join without a hole, and nothing in them can pretend to be a field of the stream."""

import re
from contextlib import ExitStack

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.clock import Clock, SystemClock
from quaero.domain.entries import Entry, Originator
from quaero.domain.wire import wire_entry
from quaero.gateway.answers import encode
from quaero.gateway.pace import SLOWEST, Pace
from quaero.gateway.parts import MAX_ENTRIES, MAX_PART, cuts, part
from quaero.testing import FakeClock

TREE = b"abc.7."
HOSTILE = st.text(alphabet=st.sampled_from('\r\n\0\u2028\u2029 :adeintv{}"\\'), max_size=60)


@given(HOSTILE, HOSTILE)
def test_a_stream_has_just_the_fields_we_wrote(message: str, name: str) -> None:
    entry = Entry(seq=1, line_number=1, at=0, level=1, message=message, job_id=7, root_id=7, step=name)
    told = cuts(0, 1, [1], [encode(wire_entry(entry))])[0].part(0, TREE)

    size, _, rest = told.chunk.partition(b"\r\n")
    frame = rest[: int(size, 16)]
    lines = re.split(rb"\r\n|\r|\n", frame)

    assert [line.partition(b":")[0] for line in lines] == [b"id", b"event", b"data", b"", b""]
    assert msgspec.json.decode(lines[2][6:])["logs"][0]["message"] == message


@given(st.lists(st.integers(1, 4), max_size=60), st.integers(0, 3))
def test_cuts_join_and_lose_nothing(steps: list[int], sent: int) -> None:
    seqs, at = [], 0
    for step in steps:
        at += step
        seqs.append(at)
    made = cuts(0, at + 5, seqs, [b"x" * 5_000] * len(seqs))

    assert [cut.prev for cut in made[1:]] == [cut.to for cut in made[:-1]]
    assert (made[0].prev, made[-1].to) == (0, at + 5)
    assert [seq for cut in made for seq in cut.seqs] == seqs
    assert all(sum(map(len, cut.entries)) <= MAX_PART and len(cut.seqs) <= MAX_ENTRIES for cut in made)


def test_whoever_has_some_of_a_cut_gets_the_rest() -> None:
    [cut] = cuts(0, 9, [2, 4, 8], [b'{"seq":2}', b'{"seq":4}', b'{"seq":8}'])

    told = msgspec.json.decode(cut.part(4, TREE).data)

    assert (told["prev"], told["to"], told["logs"]) == (4, 9, [{"seq": 8}])
    assert cut.part(4, TREE) is cut.part(4, TREE)


def test_an_entry_larger_than_a_part_is_sent_whole() -> None:
    made = cuts(0, 2, [1, 2], [b"x" * (2 * MAX_PART), b"y"])
    assert [cut.seqs for cut in made] == [[1], [2]]


def test_what_does_not_move_the_position_has_no_id() -> None:
    assert part("hello", {}).chunk.endswith(b"event: hello\ndata: {}\n\n\r\n")
    assert b"id:" not in part("hello", {}).chunk


def test_a_jobs_own_fields_are_never_taken_for_a_change_of_status() -> None:
    entry = Entry(
        seq=1, line_number=1, at=0, level=1, message="mine", job_id=8, root_id=7, originator=Originator.WORKER,
        fields={"status": "completed", "tally": "none of yours"},
    )  # fmt: skip
    assert wire_entry(entry, in_parent=True).message == "mine"


class Meter:
    """What the thread has spent, as a test says."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.spent = 100.0
        self.pace = Pace(clock or SystemClock(), 0.15, lambda: self.spent)

    def flush(self, root_id: int, cost: float) -> float:
        """A flush of a tree that nothing else goes on beside; the interval after it."""
        with self.pace.flush(root_id):
            self.spent += cost
        return self.pace.interval


@pytest.mark.parametrize(("cost", "interval"), [(0.001, 0.15), (0.3, 0.5), (5.0, SLOWEST)])
def test_the_pace_follows_the_cost_within_its_bounds(cost: float, interval: float) -> None:
    assert Meter().flush(1, cost) == pytest.approx(interval)


def test_busy_trees_share_what_there_is() -> None:
    meter = Meter()
    meter.flush(1, 0.2)
    assert meter.flush(2, 0.2) == pytest.approx(2 * 0.2 / 0.6)


@pytest.mark.anyio
async def test_flushes_side_by_side_cost_together_what_was_spent() -> None:
    clock = FakeClock()
    meter = Meter(clock)

    for _ in range(20):
        with ExitStack() as under_way:
            for root_id in range(50):
                under_way.enter_context(meter.pace.flush(root_id))
            meter.spent += 0.05
        assert meter.pace.interval == pytest.approx(0.15)
        await clock.advance(1)

    assert not meter.pace.is_overloaded


async def _overload(meter: Meter, clock: FakeClock, seconds: int) -> None:
    for _ in range(seconds):
        meter.flush(1, 1.5)
        await clock.advance(1)


@pytest.mark.anyio
async def test_too_much_for_a_while_is_an_overload_and_ends_with_it() -> None:
    clock = FakeClock()
    meter = Meter(clock)

    await _overload(meter, clock, 4)
    assert not meter.pace.is_overloaded
    await _overload(meter, clock, 3)
    assert meter.pace.is_overloaded
    meter.flush(1, 0.01)
    assert not meter.pace.is_overloaded


@pytest.mark.anyio
async def test_an_overload_ends_when_there_is_nothing_left_to_flush() -> None:
    clock = FakeClock()
    meter = Meter(clock)
    await _overload(meter, clock, 7)
    assert meter.pace.is_overloaded

    await clock.advance(3)

    assert not meter.pace.is_overloaded
