"""The full-screen view: keys, and screens that fit whatever room there is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, Group

from quaero.cli.keys import parse_keys
from quaero.cli.screens import QueueScreen, Screen, TreeScreen
from quaero.client import AsyncClient
from quaero.domain.definitions import parse
from quaero.engine.lifecycle.definitions import run_definition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.cli.conftest import Hand, Quaero

SIZES = [(20, 3), (40, 8), (80, 24), (200, 60)]
NASTY = "evil \x1b]0;owned\x07\x1b[2J name"


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("q", ["q"]),
        ("\x1b[A\x1b[B\x1b[C\x1b[D", ["up", "down", "right", "left"]),
        ("\x1bOA\r\n", ["up", "enter", "enter"]),
        ("\x1b[5~\x1b[6~\x1b[H\x1b[4~", ["page up", "page down", "home", "end"]),
        ("\x1b", ["left"]),
        ("\x1b[1;5A", []),
        ("\x03", ["q"]),
        ("jk", ["down", "up"]),
    ],
)
def test_keys_have_names(typed: str, keys: list[str]) -> None:
    assert list(parse_keys(typed)) == keys


@given(st.text(max_size=30))
def test_whatever_is_typed_is_some_keys(typed: str) -> None:
    assert len(list(parse_keys(typed))) <= max(1, len(typed))


def test_without_a_terminal_it_says_what_to_use_instead(quaero: Quaero) -> None:
    said = quaero("watch")

    assert said.code == 2
    assert "quaero logs ID -f" in said.err


@pytest.fixture
async def client(url: str, hand: Hand) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(url) as opened:
        yield opened


def drawn(screen: Screen, width: int = 100, height: int = 30) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(Group(*screen.draw(width, height)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.anyio
async def test_the_queue_is_counted_listed_and_opened(client: AsyncClient, hand: Hand) -> None:
    for n in range(5):
        await hand.submit(name=f"job {n}")
    await hand.submit(name=NASTY)
    screen = QueueScreen(client)
    await screen.refresh()

    lines = drawn(screen)
    screen.press("down")
    opened = screen.press("enter")

    assert "6 pending" in lines[0]
    assert "jobs/s" in lines[1]
    assert "evil name" in " ".join(lines[2].split())
    assert "\x1b" not in "".join(lines)
    assert isinstance(opened, TreeScreen)
    assert opened._id == "5"


@pytest.mark.anyio
async def test_a_tree_shows_its_steps_its_failures_and_its_log_live(client: AsyncClient, hand: Hand) -> None:
    steps = '[step.crawl]\ntype = "fetch"\n[step.tell]\ntype = "fetch"\ndepends = "crawl"\n'
    root = await hand.store.write(run_definition, parse(f'id = "news"\nname = "News"\n{steps}'))
    (step,) = await hand.take()
    await hand.begin(step, "hello", NASTY, level=2)
    await hand.finish(step, "no such page")
    screen = TreeScreen(client, str(root))
    await screen.refresh()
    assert screen._following is not None
    await screen._following  # the tree has ended, so has its log

    text = "\n".join(drawn(screen))
    for key in ("up", "home", "page down", "end"):
        screen.press(key)
        drawn(screen)

    assert "News (job 1)" in text
    assert "crawl" in text
    assert f"1 × (job {step.id}) no such page" in text
    assert "hello" in text
    assert "\x1b" not in text
    await screen.leave()


@pytest.mark.anyio
async def test_a_tree_names_the_children_that_run_the_quietest_first(client: AsyncClient, hand: Hand) -> None:
    root = await hand.submit("parent")
    (parent,) = await hand.take()
    await hand.begin(parent)
    await hand.spawn(parent, 6)
    children = await hand.take(5)
    for child in children:
        await hand.begin(child)
    for child in children[:2]:
        await hand.begin(child, "still here")
    screen = TreeScreen(client, str(root))
    await screen.refresh()

    text = "\n".join(drawn(screen))
    await screen.leave()

    named = ", ".join(f"fetch (job {child.id})" for child in children[2:])
    assert f"running, quietest first: {named}" in text


@pytest.mark.anyio
@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_no_screen_is_larger_than_the_room_it_has(
    client: AsyncClient, hand: Hand, width: int, height: int
) -> None:
    for n in range(70):
        await hand.submit(name=f"a rather long name of a job, number {n}")
    jobs = await hand.take(1)
    await hand.begin(jobs[0], *[f"line {n} " * 20 for n in range(100)])
    await hand.finish(jobs[0], "an error that has a lot to say about itself " * 3)
    queue, tree = QueueScreen(client), TreeScreen(client, str(jobs[0].id))

    for screen in (queue, tree):
        drawn(screen, width, height)
        await screen.refresh()
        if screen is tree:
            assert tree._following is not None
            await tree._following
        lines = drawn(screen, width, height)
        assert len(lines) <= max(height, 4)
        assert max(len(line) for line in lines) <= width
        await screen.leave()
