"""What a connection is told while jobs move at random and time is virtual: 2.7's promises, as properties."""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gateway.watching import THRESHOLD, Watched

from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import FAILED, PENDING, WORDS
from quaero.domain.tally import progress_text
from quaero.storage.sqlstore import SqlStore
from quaero.testing.bench import Bench
from quaero.testing.clock import FakeClock
from quaero.testing.factories import a_child, a_definition, a_step, an_error, ended, progressed

TERMINAL = {"completed", "failed", "cancelled"}


class Player:
    """Moves the jobs of one tree, in whatever order it is told."""

    def __init__(self, bench: Bench, root_id: int) -> None:
        self.bench = bench
        self.root_id = root_id
        self.held: list[Job] = []
        self.moves: dict[str, Callable[[], Awaitable[Any]]] = {
            "begin": self.begin,
            "spawn": self.spawn,
            "progress": self.progress,
            "complete": lambda: self.end(How.COMPLETED),
            "fail": lambda: self.end(How.FAILED),
            "retry": self.retry,
        }

    async def begin(self) -> None:
        taken = await self.bench.hand.take(2, root_id=self.root_id)
        await self.bench.hand.begin(*taken)
        self.held += taken

    async def spawn(self) -> None:
        if self.held:
            await self.bench.hand.spawn(self.held[0], [a_child(payload={"n": n}) for n in range(2)])

    async def progress(self) -> None:
        if self.held:
            await self.bench.hand.tell(progressed(self.held[-1], current=len(self.held), total=9))

    async def end(self, how: How) -> None:
        if self.held:
            job = self.held.pop(0)
            error = {"error": an_error(final=True)} if how is How.FAILED else {}
            await self.bench.hand.tell(ended(job, how, **error))

    async def retry(self) -> None:
        if (await self.bench.job(self.root_id)).status == FAILED:
            await self.bench.retry(self.root_id, failed_children=True)

    async def finish(self) -> None:
        while self.held:
            await self.end(How.COMPLETED)
        await self.bench.finish()


moves = st.tuples(
    st.sampled_from(["begin", "begin", "spawn", "progress", "complete", "complete", "fail", "retry"]),
    st.sampled_from([0.0, 0.0, 0.0, 0.25, 1.0, 2.5]),
    st.booleans(),  # whether anybody looks after it: rings may be lost
)


def key_of(kind: str, payload: dict[str, Any]) -> list[Any]:
    if kind == "refresh_step_events":
        return payload["step_ids"]
    return [payload.get("job_id") or payload.get("step_id") or payload.get("parent_job_id")]


def is_end(payload: dict[str, Any]) -> bool:
    return payload.get("status") in TERMINAL or bool(payload.get("finished"))


@settings(max_examples=30)
@given(st.lists(moves, min_size=3, max_size=25), st.booleans())
def test_bursts_are_told_as_promised(script: list[tuple[str, float, bool]], finish: bool) -> None:
    asyncio.run(play(script, finish=finish))


async def play(script: list[tuple[str, float, bool]], *, finish: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock = FakeClock()
        async with SqlStore.open(f"sqlite:///{Path(folder)}/quaero.db", clock=clock) as store:
            bench = await Bench.set_up(store, clock, lease=10**12)
            root_id, steps = await bench.definition(a_definition(a_step("one"), a_step("two", depends="one")))
            watched = Watched(bench, store)
            await watched.subscribe(id=1, topic=f"job:{root_id}")
            await watched.subscribe(id=2, topic=f"job:{root_id}", rows=True)
            await watched.subscribe(id=3, topic=f"children:{steps['one']}", rows=True, order="created_at")
            player = Player(bench, root_id)
            for move, pause, is_seen in script:
                await player.moves[move]()
                if is_seen:
                    await watched.look()
                    await check_ends_are_told_at_once(watched, bench, [root_id, *steps.values()])
                await watched.pass_time(pause)
            if finish:
                await player.finish()
            await watched.pass_time(3.0)

            check_pace(watched)
            await check_last_is_told(watched, bench, [root_id, *steps.values()])
            await check_rows(watched, bench, 2, [root_id, *steps.values()])
            children = [row[0] for row in await store.rows("select id from job where parent_id = ?", (steps["one"],))]
            await check_rows(watched, bench, 3, children[:50])
            await check_finished(watched, bench, list(steps.values()))


async def check_ends_are_told_at_once(watched: Watched, bench: Bench, ids: list[int]) -> None:
    for job in await bench.store.jobs_by_id(ids):
        if job.is_terminal:
            last = [p for _, _, p in watched.of("job_status_change") if p["job_id"] == str(job.id)][-1]
            assert (last["status"], last["round"]) == (WORDS[job.status], job.round)


def check_pace(watched: Watched) -> None:
    """At most one message of a key in a threshold, but for ends."""
    by_key: dict[tuple[str, str], list[tuple[float, bool]]] = defaultdict(list)
    for when, kind, payload in watched.told:
        if kind != "snapshot":
            for key in key_of(kind, payload):
                by_key[kind, key].append((when, is_end(payload)))
    for messages in by_key.values():
        assert all(later - earlier >= THRESHOLD or end for (earlier, _), (later, end) in pairwise(messages))
    for subscription in (2, 3):
        rows: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        for when, _, payload in watched.of("snapshot"):
            if payload["id"] == subscription and not payload["full"]:
                for row in payload["rows"]:
                    rows[row["id"]].append((when, row["status"] in TERMINAL))
        for told in rows.values():
            assert all(later - earlier >= THRESHOLD or end for (earlier, _), (later, end) in pairwise(told[1:]))


async def check_last_is_told(watched: Watched, bench: Bench, ids: list[int]) -> None:
    """The last message of each kind says what the store says; if there is none, nothing of that has changed.

    When the viewer came all were pending in their first round, and nothing was below them.
    """
    for job in await bench.store.jobs_by_id(ids):
        text = progress_text(job.shown_tally)
        moved = job.status != PENDING or job.round > 1
        must_be_told = {
            "job_status_change": moved,
            "parent_job_progress": job.is_root and job.shown_tally.total > 0,
            "step_progress": job.is_step and moved,
        }
        for kind, expected in (
            ("job_status_change", {"status": WORDS[job.status], "round": job.round}),
            ("parent_job_progress", {"progress_text": text}),
            ("step_progress", {"status": WORDS[job.status], "progress_text": text}),
        ):
            told = [p for _, _, p in watched.of(kind) if str(job.id) in (p.get("job_id"), p.get("step_id"))]
            assert told or not must_be_told[kind], (kind, job.id)
            assert not told or {name: told[-1][name] for name in expected} == expected


async def check_rows(watched: Watched, bench: Bench, subscription: int, ids: list[int]) -> None:
    """Rows kept by version are the rows of the store."""
    rows: dict[str, dict[str, Any]] = {}
    for _, _, payload in watched.of("snapshot"):
        if payload["id"] == subscription:
            rows.update((row["id"], row) for row in payload["rows"])
    jobs = {str(job.id): job for job in await bench.store.jobs_by_id(ids)}
    assert {key: row["version"] for key, row in rows.items()} == {key: job.version for key, job in jobs.items()}
    assert {key: row["status"] for key, row in rows.items()} == {key: WORDS[job.status] for key, job in jobs.items()}


async def check_finished(watched: Watched, bench: Bench, steps: list[int]) -> None:
    """`finished` exactly once for each round of a step that has ended."""
    for step in await bench.store.jobs_by_id(steps):
        told = sum(str(step.id) in p["step_ids"] for _, _, p in watched.of("refresh_step_events") if p["finished"])
        assert told == (step.round if step.is_terminal else step.round - 1)
