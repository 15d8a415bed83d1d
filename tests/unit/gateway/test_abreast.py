"""Viewers who have the same are told together, and each of them gets what it would have got alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quaero.gateway.feed import Start
from quaero.gateway.following import Following
from quaero.gateway.parts import cuts, part
from quaero.gateway.place import Place
from quaero.gateway.scope import service_scope
from quaero.gateway.sse import EventStream
from quaero.gateway.turns import FEWEST, MOST, TURN_SECONDS, Turns
from quaero.gateway.view import View
from quaero.gateway.viewers import Viewers
from quaero.testing import FakeClock

pytestmark = pytest.mark.anyio
TREE = b"abc.0."
PING_SECONDS = 5.0


class Wire:
    """The other side of a connection, which takes what is written for as long as it has room."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_full = self.is_lost = False
        self.on_lost: Callable[[], None] | None = None
        self._room = asyncio.Event()

    def write(self, chunk: bytes) -> None:
        assert not self.is_lost, "written to a connection that is gone"
        assert not self.is_full, "written to a connection that is full"
        self.written.append(chunk)
        self.is_full = self.is_full or self._room.is_set()
        self._room.clear()

    def fill(self) -> None:
        """Take one more chunk, then nothing."""
        self._room.set()

    async def drain(self) -> None:
        while self.is_full:
            await asyncio.sleep(0)

    def abort(self) -> None:
        self.is_lost = True

    def lose(self) -> None:
        self.is_lost = True
        if self.on_lost is not None:
            self.on_lost()

    @property
    def parts(self) -> list[str]:
        """The kinds of what was written."""
        return re.findall(r"event: (\w+)", b"".join(self.written).decode())

    @property
    def entries(self) -> list[int]:
        """The entries of what was written, in order; every part begins at the cursor told before it."""
        text = b"".join(self.written).decode()
        told = re.findall(r"id: abc\.0\.(\d+)\n(?:event: \w+\n)?data:(?: {\"prev\":(\d+))?", text)
        assert all(prev in ("", cursor) for (cursor, _), (_, prev) in pairwise(told)), told
        return [int(seq) for seq in re.findall(r'{"seq":(\d+)}', text)]


class Ground:
    """One view, its viewers, and a journal that grows when told to. All that its viewers ask of a feed."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ping_seconds = PING_SECONDS
        self.view = View(service_scope(0), None, 0, TREE, 0.0)  # type: ignore[arg-type]  # nobody's parents matter
        self.turns = Turns()
        self.wires: list[Wire] = []
        self.streams: list[EventStream] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def come(self, after: int | None = None) -> Wire:
        """One more viewer, from a position on (None: from now on)."""
        position = self.view.head if after is None else after
        start = Start(position, "resume", self.view.head, 1)
        following = Following(self, self.view, start, part("hello", {}))  # type: ignore[arg-type]
        self.view.add(following)
        wire = Wire()
        stream = EventStream(following, Viewers(), wire)  # type: ignore[arg-type]
        self.wires.append(wire)
        self.streams.append(stream)
        self.tasks.append(asyncio.create_task(stream.send(_say_nothing)))
        await settle()
        return wire

    def record(self, *, shown: bool = True) -> None:
        """One more entry, which the view shows or not."""
        prev = self.view.head
        seqs = [prev + 1] if shown else []
        self.view.extend(cuts(prev, prev + 1, seqs, [b'{"seq":%d}' % seq for seq in seqs]))

    async def tell_half(self) -> asyncio.Task[None]:
        """Begin a flush of two turns; the first is over."""
        self.turns.size = FEWEST
        self.turns.begin()
        telling = asyncio.create_task(self.view.tell_news(self.turns))
        await asyncio.sleep(0)
        return telling

    async def tell(self) -> None:
        """What a flush does in the end."""
        self.turns.begin()
        await self.view.tell_news(self.turns)
        await settle()

    async def leave(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @property
    def abreast(self) -> int:
        """How many walk abreast."""
        return len(self.view._abreast)


async def _say_nothing(message: Any) -> None:
    """The head and the end of an answer are not what is looked at here."""


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def crowd(n: int) -> Ground:
    ground = Ground()
    for _ in range(n):
        await ground.come()
    assert ground.abreast == n
    return ground


async def test_what_comes_next_is_found_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = await crowd(100)
    asked = 0
    pass_over = Place.pass_over

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal asked
        asked += 1
        return pass_over(*args, **kwargs)

    monkeypatch.setattr(Place, "pass_over", counted)
    ground.record()
    await ground.tell()

    assert asked == 1
    assert all(wire.entries == [1] for wire in ground.wires)
    assert len({id(wire.written[-1]) for wire in ground.wires}) == 1
    await ground.leave()


async def test_who_is_full_steps_out_and_comes_back_with_everything() -> None:
    ground = await crowd(3)
    slow = ground.wires[1]
    slow.fill()
    for _ in range(3):
        ground.record()
        await ground.tell()
    assert (slow.entries, ground.abreast) == ([1], 2)
    assert ground.wires[0].entries == [1, 2, 3]

    slow.is_full = False
    await settle()

    assert (slow.entries, ground.abreast) == ([1, 2, 3], 3)
    await ground.leave()


async def test_nothing_is_written_to_who_goes_while_others_are_told() -> None:
    ground = await crowd(2 * FEWEST)
    last = ground.wires[-1]
    ground.record()

    telling = await ground.tell_half()
    assert (ground.wires[0].entries, last.entries) == ([1], [])
    last.lose()
    await telling

    assert all(wire.entries == [1] for wire in ground.wires[:-1])
    assert ground.abreast == 2 * FEWEST - 1
    await ground.leave()


async def test_who_comes_while_others_are_told_gets_it_once() -> None:
    ground = await crowd(2 * FEWEST)
    ground.record()

    telling = await ground.tell_half()
    late = await ground.come(after=0)
    await telling
    ground.record()
    await ground.tell()

    assert all(wire.entries == [1, 2] for wire in [*ground.wires, late])
    assert ground.abreast == 2 * FEWEST + 1
    await ground.leave()


async def test_who_has_less_walks_alone_until_it_has_the_same() -> None:
    ground = await crowd(2)
    ground.record(shown=False)
    await ground.come()  # it stands behind what the others have not looked at
    assert ground.abreast == 2

    ground.record()
    await ground.tell()

    assert ground.abreast == 3
    assert all(wire.entries == [2] for wire in ground.wires)
    await ground.leave()


async def test_all_who_were_quiet_together_hear_a_sign_of_life() -> None:
    ground = await crowd(3)
    await ground.clock.advance(PING_SECONDS - 1)
    await ground.come()  # told of something later than the others, it is not told later
    await ground.clock.advance(1)

    for _ in range(2):
        ground.turns.begin()
        await ground.view.tell_quiet(ground.clock.monotonic(), ground.turns)

    assert [wire.parts for wire in ground.wires] == [["hello", "ping"]] * 4
    await ground.leave()


async def test_a_sign_of_life_never_overtakes_what_is_being_told() -> None:
    ground = await crowd(2 * FEWEST)
    ground.record()

    telling = await ground.tell_half()
    ground.clock.move(PING_SECONDS)
    await ground.view.tell_quiet(ground.clock.monotonic(), Turns())
    await telling

    assert ground.wires[-1].parts == ["hello", "logs", "ping"]
    assert ground.wires[-1].entries == [1]
    await ground.leave()


async def test_one_who_is_sent_away_hears_it_and_the_others_stay() -> None:
    ground = await crowd(3)

    ground.streams[0].leave(1_000)
    await settle()
    ground.record()
    await ground.tell()

    assert ground.wires[0].parts == ["hello", "bye"]
    assert [wire.entries for wire in ground.wires] == [[], [1], [1]]
    assert ground.tasks[0].done()
    await ground.leave()


async def test_a_view_that_began_anew_sends_everybody_on_alone() -> None:
    ground = await crowd(2)
    ground.view.is_gone = True  # the tree was deleted

    await ground.tell()

    assert ground.abreast == 0
    assert [wire.parts for wire in ground.wires] == [["hello", "end"]] * 2
    await ground.leave()


async def test_a_feed_that_breaks_off_ends_its_streams_so_that_they_come_again() -> None:
    ground = await crowd(2)
    stuck = ground.wires[0]
    stuck.fill()
    ground.record()
    await ground.tell()

    for following in ground.view.followings:
        following.close()
    await settle()

    assert [task.done() for task in ground.tasks] == [True, True]
    assert stuck.is_lost, "who takes nothing is cut off"


moves = st.tuples(
    st.sampled_from(["record", "record", "hide", "tell", "tell", "come", "resume", "fill", "drain", "lose", "sign"]),
    st.integers(0, 9),
)


@settings(max_examples=60)
@given(st.lists(moves, max_size=60), st.sampled_from([FEWEST, 1]))
def test_everybody_gets_every_entry_once_whatever_happens(script: list[tuple[str, int]], size: int) -> None:
    asyncio.run(play(script, size))


async def play(script: list[tuple[str, int]], size: int) -> None:
    ground, shown, began = Ground(), [], []
    for move, which in script:
        wire = ground.wires[which % len(ground.wires)] if ground.wires else None
        ground.turns.size = size
        if move in ("record", "hide"):
            ground.record(shown=move == "record")
            shown += [ground.view.head] if move == "record" else []
        elif move == "tell":
            await ground.tell()
        elif move in ("come", "resume"):
            began.append(which % (ground.view.head + 1) if move == "resume" else ground.view.head)
            await ground.come(began[-1])
        elif move == "sign":
            ground.clock.move(PING_SECONDS)
            await ground.view.tell_quiet(ground.clock.monotonic(), ground.turns)
        elif wire is not None and not wire.is_lost:
            {"fill": wire.fill, "drain": lambda wire=wire: setattr(wire, "is_full", False), "lose": wire.lose}[move]()
            await settle()
    for wire in ground.wires:
        wire._room.clear()
        wire.is_full = False
    await settle()
    await ground.tell()

    for wire, start in zip(ground.wires, began, strict=True):
        due = [seq for seq in shown if seq > start]
        assert wire.entries == (due[: len(wire.entries)] if wire.is_lost else due)
    await ground.leave()


async def test_a_turn_is_as_long_as_it_may_be() -> None:
    now = 0.0
    turns = Turns(lambda: now)
    sizes = []
    for seconds in (0.0, 0.0, 0.0, 0.0, TURN_SECONDS * 2, TURN_SECONDS * 2, TURN_SECONDS * 0.8):
        turns.begin()
        async for some in turns.over(range(turns.size)):
            sizes.append(len(some))
            now += seconds

    assert sizes == [128, 256, 512, 1024, MOST, 512, 256]
    assert turns.size == 256
