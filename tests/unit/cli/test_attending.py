"""Watching a tree to its end, and what ctrl-C does to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quaero.cli.attending import Attendance, Interrupts, LeftError
from quaero.cli.live import Snapshot
from quaero.clock import SystemClock
from quaero.domain.status import WORDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.unit.cli.conftest import Hand

pytestmark = pytest.mark.anyio


class Watcher:
    """A view that lets a test wait for what it saw."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.lines: list[str] = []
        self.is_open = True
        self._moved = asyncio.Event()

    def show(self, snapshot: Snapshot) -> None:
        self.is_open = True
        self.seen.append(WORDS[snapshot.root.status])
        self.lines = snapshot.lines
        self._moved.set()

    def close(self) -> None:
        self.is_open = False

    async def until(self, status: str) -> None:
        async with asyncio.timeout(20):
            while status not in self.seen:
                self._moved.clear()
                await self._moved.wait()


def attendance(
    hand: Hand,
    root_id: int,
    watcher: Watcher,
    interrupts: Interrupts,
    ask: Callable[[str], Awaitable[bool]] | None = None,
) -> asyncio.Task[str]:
    attending = Attendance(
        hand.store,
        root_id,
        clock=SystemClock(),
        interrupts=interrupts,
        make_view=lambda: watcher,
        ask=ask,
        lines=True,
    )

    async def outcome() -> str:
        return WORDS[(await attending.to_the_end()).status]

    return asyncio.create_task(outcome())


async def test_a_tree_is_shown_until_it_ends(hand: Hand) -> None:
    root, watcher = await hand.submit(), Watcher()
    task = attendance(hand, root, watcher, Interrupts())
    await watcher.until("pending")
    (job,) = await hand.take()
    await hand.begin(job, "hello \x1b]0;owned\x07there")
    await watcher.until("running")
    await hand.finish(job)

    assert await task == "completed"
    assert watcher.seen[-1] == "completed"
    assert "hello there" in watcher.lines
    assert not watcher.is_open


async def test_ctrl_c_cancels_the_tree_and_stays_until_that_is_done(
    hand: Hand, capsys: pytest.CaptureFixture[str]
) -> None:
    root, watcher, interrupts = await hand.submit(), Watcher(), Interrupts()
    task = attendance(hand, root, watcher, interrupts)
    await watcher.until("pending")

    interrupts.press()

    assert await task == "cancelled"
    assert "ctrl-C again leaves at once" in capsys.readouterr().err


async def test_ctrl_c_twice_leaves_at_once_and_the_tree_is_still_cancelled(hand: Hand) -> None:
    root, watcher, interrupts = await hand.submit(), Watcher(), Interrupts()
    (job,) = await hand.take()
    await hand.begin(job)
    task = attendance(hand, root, watcher, interrupts)
    await watcher.until("running")

    interrupts.press()
    async with asyncio.timeout(20):
        while interrupts.pressed.is_set():
            await asyncio.sleep(0)
    interrupts.press()
    with pytest.raises(LeftError):
        await task

    asked = await hand.store.rows("select cancelling from job where id = ?", (root,))
    assert asked[0][0] is not None


async def test_who_answers_no_goes_on_watching(hand: Hand) -> None:
    root, watcher, interrupts, asked = await hand.submit(), Watcher(), Interrupts(), asyncio.Event()

    async def no(question: str) -> bool:
        assert f"job {root}" in question
        assert not watcher.is_open  # the question is not drawn over
        asked.set()
        return False

    task = attendance(hand, root, watcher, interrupts, no)
    await watcher.until("pending")
    interrupts.press()
    await asked.wait()
    (job,) = await hand.take()
    await hand.begin(job)
    await hand.finish(job)

    assert await task == "completed"


async def test_who_answers_yes_cancels(hand: Hand) -> None:
    root, watcher, interrupts = await hand.submit(), Watcher(), Interrupts()

    async def yes(question: str) -> bool:
        return True

    task = attendance(hand, root, watcher, interrupts, yes)
    await watcher.until("pending")
    interrupts.press()

    assert await task == "cancelled"


async def test_ctrl_c_instead_of_an_answer_leaves_and_cancels_nothing(hand: Hand) -> None:
    root, watcher, interrupts, asked = await hand.submit(), Watcher(), Interrupts(), asyncio.Event()

    async def silence(question: str) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    task = attendance(hand, root, watcher, interrupts, silence)
    await watcher.until("pending")
    interrupts.press()
    await asked.wait()
    await asyncio.sleep(0)
    interrupts.press()

    with pytest.raises(LeftError):
        await task
    found = await hand.store.job(root)
    assert found is not None
    assert WORDS[found.status] == "pending"
