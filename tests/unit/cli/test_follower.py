"""A follower reads every entry once and in order, whether it was there before or comes while it waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quaero.cli.follower import Follower
from quaero.storage.port import EntryFilter

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Hand

pytestmark = pytest.mark.anyio


async def test_history_and_live_are_one_path_without_gap_or_repeat(hand: Hand) -> None:
    root = await hand.submit()
    (job,) = await hand.take()
    await hand.begin(job, *[f"early {n}" for n in range(5)])
    waits = 0

    async def while_it_waits() -> None:
        nonlocal waits
        waits += 1
        await (hand.begin(job, f"late {waits}") if waits <= 5 else hand.finish(job))

    async def is_over() -> bool:
        found = await hand.store.job(root)
        return found is not None and found.is_terminal

    follower = Follower(hand.store, root, EntryFilter(), wait=while_it_waits)
    entries = [entry async for page in follower.follow(is_over) for entry in page]

    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry.message for entry in entries if entry.message.startswith("late")] == [
        f"late {n}" for n in range(1, 6)
    ]
    assert entries[-1].message == "Status changed: completed"
    assert follower.position == entries[-1].seq


async def test_a_follower_goes_on_from_any_position(hand: Hand) -> None:
    root = await hand.submit()
    (job,) = await hand.take()
    await hand.begin(job, *[f"line {n}" for n in range(50)])
    whole = [entry async for page in Follower(hand.store, root, EntryFilter()).news() for entry in page]

    for after in range(len(whole) + 1):
        rest = [e async for page in Follower(hand.store, root, EntryFilter(), after=after).news() for e in page]
        assert rest == whole[after:]


async def test_a_filtered_follower_advances_over_what_it_does_not_want(hand: Hand) -> None:
    root = await hand.submit()
    (job,) = await hand.take()
    await hand.begin(job, "quiet", "quiet")

    follower = Follower(hand.store, root, EntryFilter(level=3))
    found = [page async for page in follower.news()]

    assert found == []
    assert follower.position == 3  # the start and two lines


async def test_following_ends_only_when_told_and_after_the_last_entry(hand: Hand) -> None:
    root = await hand.submit()
    rounds = iter([False, False, True])

    async def is_over() -> bool:
        return next(rounds)

    follower = Follower(hand.store, root, EntryFilter(), wait=lambda: asyncio.sleep(0))
    pages = [page async for page in follower.follow(is_over)]

    assert pages == []
    assert next(rounds, None) is None
