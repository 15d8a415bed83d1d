"""Limits and lanes of one PostgreSQL store, moved by two sessions at once: they wait for each other in one order."""

import logging
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.contract.sessions import Table, soon

from quaero.domain.job import Job
from quaero.engine.lifecycle.round import play
from quaero.storage.port import Want
from quaero.testing import Hand
from quaero.testing.factories import a_child, a_limit, ended

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_deadlock(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The server ends a deadlock after a second, and the writer begins again: only its log tells."""
    caplog.set_level(logging.DEBUG, logger="quaero.storage")
    yield
    said = [record.getMessage() for record in caplog.get_records("call")]
    assert [message for message in said if "deadlock" in message] == []


async def limited_tree(table: Table, key: str) -> Job:
    """A running parent of three children that share a limit."""
    parent = await table.bench.running()
    limit = a_limit(key, 3)
    await table.bench.hand.spawn(parent, [a_child(payload={"n": n}, limit=limit) for n in range(3)])
    return parent


def a_round(hand: Hand, ends: Job, takes_from: Job) -> Any:
    """A script: a real worker's round that ends one job and takes one of some tree."""
    want = Want(hand.kinds, 1, takes_from.id)
    return lambda ledger: play(ledger, hand.worker_id, [ended(ends)], [want], hand.memory)


@pytest.mark.parametrize("first", [0, 1])
async def test_two_rounds_that_take_under_one_limit_and_free_the_others(table: Table, first: int) -> None:
    trees = [await limited_tree(table, key) for key in ("low", "high")]
    held = [(await table.hands[n].take(1, root_id=trees[1 - n].id))[0] for n in (0, 1)]
    second = 1 - first

    one = await table.hold(first, a_round(table.hands[first], held[first], trees[first]))
    other = soon(table.stores[second].write(a_round(table.hands[second], held[second], trees[second])))
    await table.waits(other)
    mine, theirs = await one.commit(), await other

    assert {job.root_id for job in mine.tasks + theirs.tasks} == {tree.id for tree in trees}
    assert await table.stores[2].rows("select key, in_use from limits order by id") == [("low", 1), ("high", 1)]


async def test_a_round_that_takes_under_two_limits_one_after_the_other(table: Table) -> None:
    """Against the order: what it needs second has the lower number, and somebody holds it."""
    low, high = [await limited_tree(table, key) for key in ("low", "high")]
    [running] = await table.hands[0].take(1, root_id=high.id)

    one = await table.hold(0, a_round(table.hands[0], running, low))
    wants = [Want(table.hands[1].kinds, 1, tree.id) for tree in (high, low)]
    other = soon(table.stores[1].write(play, table.hands[1].worker_id, [], wants, {}))
    await table.waits(other)
    await one.commit()

    assert [task.root_id for task in (await other).tasks] == [high.id, low.id]


async def test_two_claims_that_share_lanes_and_of_which_one_comes_short(table: Table) -> None:
    trees = [(await table.bench.family(3))[0] for _ in range(2)]
    lanes = [lane for (lane,) in await table.stores[2].rows("select id from lane where root_id > 0 order by id")]
    [low, high] = lanes
    rows = "select 1 from job where lane_id = %s for update"
    with psycopg.connect(table.url) as taker, psycopg.connect(table.url) as holder:
        taker.execute(rows, (low,))
        short = await table.hold(0, table.hands[0].taking(2))  # of the lower lane it gets nothing, but has a turn
        taker.rollback()
        holder.execute("select 1 from lane where id = %s for update", (high,))
        ending = soon(short.commit())
        await table.waits(ending)
        both = await table.hold(1, table.hands[1].taking(4))
        after = soon(both.commit())
        await table.waits(after, sessions=2)
        holder.rollback()
        taken = [*await ending, *await after]

    assert {job.root_id for job in taken} == {tree.id for tree in trees}
