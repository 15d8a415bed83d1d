"""Jobs that differ in their payload only are kept as one statement, and exactly as if each had been looked at."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quaero.engine.lifecycle import enqueue, spawn
from quaero.storage import sqliteconnection
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock
from quaero.testing.factories import a_child, a_definition, a_limit, a_root, a_step

pytestmark = pytest.mark.anyio

N = 30
PAYLOADS = [{"n": n, "text": "π \\ \" ' \u2028 \0" * n, "url": "https://example.org/?a=1&b='2'"} for n in range(N)]
Told = list[Any]


async def children_of_a_root(bench: Bench) -> int:
    parent = await bench.running()
    assert len(set(await bench.hand.spawn(parent, [a_child(payload=payload) for payload in PAYLOADS]))) == N
    return parent.root_id


async def children_in_a_step(bench: Bench) -> int:
    root_id, ids = await bench.definition(a_definition(a_step("one", limit=4)))
    [step] = await bench.hand.take(root_id=root_id)
    options = {"limit": a_limit("host", at_once=3), "delay": 2_000_000, "priority": 4, "max_attempts": 7}
    await bench.hand.spawn(step, [a_child(payload=payload, **options) for payload in PAYLOADS])
    [child] = await bench.hand.spawn(step, [a_child()])
    taken = {job.id: job for job in await bench.hand.take()}
    await bench.hand.spawn(taken[child], [a_child(payload=payload, under_step=True) for payload in PAYLOADS])
    assert ids["one"] == step.id
    return root_id


async def roots(bench: Bench) -> int:
    requests = [a_root(payload=payload, priority=2, tags=("a", "b"), name="many") for payload in PAYLOADS]
    answers = await bench.store.write(enqueue.enqueue, requests, "once")
    assert [answer.created for answer in answers] == [True] * N
    again = await bench.store.write(enqueue.enqueue, requests, "once")
    assert [answer.id for answer in again] == [answer.id for answer in answers]
    return answers[0].id


async def told(path: Path, story: Callable[[Bench], Awaitable[int]]) -> Told:
    async with SqlStore.open(f"sqlite:///{path}", clock=FakeClock()) as store:
        bench = await Bench.set_up(store, store._backend._clock)  # type: ignore[attr-defined]
        root_id = await story(bench)
        ids = [row[0] for row in await store.rows("select id from job where id > 0")]
        rows = [msgspec.structs.asdict(job) for job in await store.jobs_by_id(ids)]
        for row in rows:
            row["version"] = 0
        small = [await store.rows(f"select * from {table}") for table in ("lane", "limits", "kind")]
        return [rows, await bench.entries(root_id), small, (await store.stats()).counts]


@pytest.mark.parametrize("story", [children_of_a_root, children_in_a_step, roots])
async def test_what_is_alike_is_kept_as_if_it_were_not(
    story: Callable[[Bench], Awaitable[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = await told(tmp_path / "together.db", story)
    monkeypatch.setattr(sqliteconnection, "MOST_TEXT", 500)
    in_parts = await told(tmp_path / "parts.db", story)

    monkeypatch.setattr(enqueue, "MANY", N + 1)
    monkeypatch.setattr(spawn, "MANY", N + 1)
    one_by_one = await told(tmp_path / "one.db", story)

    assert together == in_parts == one_by_one
