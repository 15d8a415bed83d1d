"""Watching a tree to its end, and what ctrl-C does to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.unit.gateway.sockets import served

from quaero.cli.attending import Attendance, Interrupts, LeftError
from quaero.cli.live import Snapshot
from quaero.client import AsyncClient
from quaero.client.finding import Way, put_sign
from quaero.client.transport import NotAllowed
from quaero.clock import SystemClock
from quaero.domain.status import WORDS
from quaero.engine.lifecycle.workers import announce, drain, register
from quaero.engine.protocol import KindInfo, Sort
from quaero.gateway.state import Gateway
from quaero.settings import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.unit.cli.conftest import Hand

pytestmark = pytest.mark.anyio
LONG = 10_000_000_000


@pytest.fixture
async def client(url: str, hand: Hand) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(url) as opened:
        yield opened


class Watcher:
    """A view that lets a test wait for what it saw."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.lines: list[str] = []
        self.waits = ""
        self.is_open = True
        self._moved = asyncio.Event()

    def show(self, snapshot: Snapshot) -> None:
        self.is_open = True
        self.seen.append(snapshot.root.status)
        self.waits = snapshot.waits
        self.lines = snapshot.lines
        self._moved.set()

    def close(self) -> None:
        self.is_open = False

    async def until_it_waits(self, text: str) -> None:
        async with asyncio.timeout(20):
            while text not in self.waits:
                self._moved.clear()
                await self._moved.wait()

    async def until(self, status: str) -> None:
        async with asyncio.timeout(20):
            while status not in self.seen:
                self._moved.clear()
                await self._moved.wait()


def attendance(
    client: AsyncClient,
    root_id: int,
    watcher: Watcher,
    interrupts: Interrupts,
    ask: Callable[[str], Awaitable[bool]] | None = None,
) -> asyncio.Task[str]:
    attending = Attendance(
        client,
        str(root_id),
        frozenset({"fetch"}),
        clock=SystemClock(),
        interrupts=interrupts,
        make_view=lambda: watcher,
        ask=ask,
        lines=True,
    )

    async def outcome() -> str:
        return (await attending.to_the_end()).status

    return asyncio.create_task(outcome())


async def heard(interrupts: Interrupts) -> None:
    """Wait until the press was taken notice of."""
    async with asyncio.timeout(20):
        while interrupts.pressed.is_set():
            await asyncio.sleep(0)


async def test_a_tree_is_shown_until_it_ends(hand: Hand, client: AsyncClient) -> None:
    root, watcher = await hand.submit(), Watcher()
    task = attendance(client, root, watcher, Interrupts())
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
    hand: Hand, client: AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    root, watcher, interrupts = await hand.submit(), Watcher(), Interrupts()
    task = attendance(client, root, watcher, interrupts)
    await watcher.until("pending")

    interrupts.press()

    assert await task == "cancelled"
    assert "ctrl-C again leaves at once" in capsys.readouterr().err


async def test_ctrl_c_twice_leaves_at_once_and_the_tree_is_still_cancelled(hand: Hand, client: AsyncClient) -> None:
    root, watcher, interrupts = await hand.submit(), Watcher(), Interrupts()
    (job,) = await hand.take()
    await hand.begin(job)
    task = attendance(client, root, watcher, interrupts)
    await watcher.until("running")

    interrupts.press()
    await heard(interrupts)
    interrupts.press()
    with pytest.raises(LeftError):
        await task

    asked = await hand.store.rows("select cancelling from job where id = ?", (root,))
    assert asked[0][0] is not None


async def test_who_answers_no_goes_on_watching(hand: Hand, client: AsyncClient) -> None:
    root, watcher, interrupts, asked = await hand.submit(), Watcher(), Interrupts(), asyncio.Event()

    async def no(question: str) -> bool:
        assert f"job {root}" in question
        assert not watcher.is_open  # the question is not drawn over
        asked.set()
        return False

    task = attendance(client, root, watcher, interrupts, no)
    await watcher.until("pending")
    interrupts.press()
    await asked.wait()
    (job,) = await hand.take()
    await hand.begin(job)
    await hand.finish(job)

    assert await task == "completed"


async def test_who_answers_yes_cancels(hand: Hand, client: AsyncClient) -> None:
    root, watcher, interrupts = await hand.submit(), Watcher(), Interrupts()

    async def yes(question: str) -> bool:
        return True

    task = attendance(client, root, watcher, interrupts, yes)
    await watcher.until("pending")
    interrupts.press()

    assert await task == "cancelled"


async def test_ctrl_c_instead_of_an_answer_leaves_and_cancels_nothing(hand: Hand, client: AsyncClient) -> None:
    root, watcher, interrupts, asked = await hand.submit(), Watcher(), Interrupts(), asyncio.Event()

    async def silence(question: str) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    task = attendance(client, root, watcher, interrupts, silence)
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


async def test_a_tree_that_waits_says_for_what(hand: Hand, client: AsyncClient) -> None:
    root, watcher = await hand.submit(), Watcher()
    await hand.store.write(drain, hand.worker_id)
    task = attendance(client, root, watcher, Interrupts())

    await watcher.until_it_waits("no worker runs; start one with `quaero work`")
    other = await hand.store.write(register, "other", "host", 2, LONG)
    await hand.store.write(announce, other, [KindInfo("parent", Sort.ASYNC)])
    await watcher.until_it_waits("no running worker knows fetch")
    await hand.store.write(announce, other, [KindInfo("fetch", Sort.ASYNC)])
    await watcher.until_it_waits("for its turn: 1 worker, 0 running, 1 pending")

    await client.cancel(root)
    assert await task == "cancelled"
    assert watcher.waits == ""


async def test_a_server_that_goes_away_is_done_without(
    hand: Hand, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root, watcher = await hand.submit(), Watcher()
    async with AsyncClient(Way(settings=load(environ={}, flags={"store.url": url}))) as client:
        async with served(Gateway(hand.store, "1")) as port:
            put_sign(url, f"http://127.0.0.1:{port}")
            await client.close()  # so far there was no server
            task = attendance(client, root, watcher, Interrupts())
            await watcher.until("pending")
        (job,) = await hand.take()
        await hand.begin(job)
        await watcher.until("running")
        await hand.finish(job)

        assert await task == "completed"
    told = capsys.readouterr().err
    assert told == "" or told.rstrip().endswith("answered again")  # it may have been asked while it was stopping


async def test_a_cancel_that_is_refused_is_told_and_ctrl_c_leaves(
    hand: Hand, client: AsyncClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(job: object) -> object:
        raise NotAllowed("this credential may not cancel")

    monkeypatch.setattr(client, "cancel", refuse)
    root, watcher, interrupts = await hand.submit(), Watcher(), Interrupts()
    task = attendance(client, root, watcher, interrupts)
    await watcher.until("pending")
    interrupts.press()
    await heard(interrupts)
    interrupts.press()

    with pytest.raises(LeftError):
        await task
    assert "it could not be cancelled: this credential may not cancel" in capsys.readouterr().err
