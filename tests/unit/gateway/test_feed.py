"""The feed gives every viewer every matching entry once, in order, wherever it begins and however it is disturbed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from quaero.domain.entries import Line
from quaero.domain.errors import NotFound
from quaero.domain.facts import Child, Lines, Spawned
from quaero.domain.job import Job
from quaero.engine.lifecycle.service import append_service
from quaero.gateway import parts, view
from quaero.gateway.feed import AtTheEnd
from quaero.gateway.following import Following
from quaero.gateway.parts import Part
from quaero.gateway.state import Gateway
from quaero.storage.port import EntryFilter

from .conftest import Submit, Worker

pytestmark = pytest.mark.anyio
PATIENCE = 20.0


@pytest.fixture
async def live(gateway: Gateway) -> AsyncIterator[Gateway]:
    """A gateway whose feed runs."""
    running = asyncio.create_task(gateway.feed.run())
    yield gateway
    running.cancel()
    await asyncio.wait({running})


class Viewer:
    """Takes what a following gives, and checks that it is whole."""

    def __init__(self, following: Following) -> None:
        self.following = following
        self.parts: list[tuple[str, Any]] = []
        self.seqs: list[int] = []
        self.at = following.start.position
        self.told_at = time.monotonic()

    async def take(self) -> Part:
        """The next part. Signs of life alone are waited for no longer than for silence."""
        part = await asyncio.wait_for(anext(self.following), PATIENCE)
        if part.kind != "ping":
            self.told_at = time.monotonic()
        assert time.monotonic() - self.told_at < PATIENCE, f"nothing but signs of life after {self.parts[-10:]}"
        data = msgspec.json.decode(part.data)
        self.parts.append((part.kind, data))
        if part.kind == "logs":
            assert data["prev"] == self.at
            self.seqs += [entry["seq"] for entry in data["logs"]]
        if part.token:
            self.at = int(part.token.rpartition(b".")[2])
        return part

    async def until(self, kind: str) -> Any:
        """Take parts until one of a kind has come; its data."""
        while (await self.take()).kind != kind:
            continue
        return self.parts[-1][1]

    async def has(self, *seqs: int) -> None:
        """Take parts until just these entries have come."""
        while len(self.seqs) < len(seqs):
            await self.take()
        assert self.seqs == list(seqs)


async def watch(live: Gateway, job_id: int, *, cursor: str | None = None, limit: int = 100, **scope: Any) -> Viewer:
    scope = {"level": "debug", **scope}
    return Viewer(await live.feed.follow(await live.feed.scope(job_id, **scope), cursor=cursor, limit=limit))


@pytest.fixture
async def job(submit: Submit, worker: Worker) -> Job:
    """A running job with ten lines, entries 2 to 11."""
    await submit()
    [job] = await worker.take()
    await worker.log(job, *(f"line {n}" for n in range(10)))
    return job


async def test_history_first_then_what_is_recorded(live: Gateway, worker: Worker, job: Job) -> None:
    viewer = await watch(live, job.id)

    await viewer.has(*range(1, 12))
    await worker.log(job, "one more")
    await viewer.has(*range(1, 13))


async def test_a_limit_says_that_there_is_more(live: Gateway, job: Job) -> None:
    viewer = await watch(live, job.id, limit=3)

    await viewer.has(9, 10, 11)
    assert viewer.following.start.mode == "tail"
    assert viewer.parts[-1][1]["meta"] == {
        "displayed_count": 3, "has_more": True, "oldest_seq": 9, "newest_seq": 11
    }  # fmt: skip


async def test_from_any_position_the_rest_comes_once(live: Gateway, worker: Worker, job: Job) -> None:
    tree = f"{live.store.incarnation}.{job.root_id}."
    viewers = [await watch(live, job.id, cursor=f"{tree}{n}") for n in range(12)]

    await worker.log(job, "one more")

    for n, viewer in enumerate(viewers):
        await viewer.has(*range(n + 1, 13))


async def test_the_service_log_tells_once_that_it_goes_on(live: Gateway) -> None:
    viewer = Viewer(await live.feed.follow(live.feed.service_scope("info")))

    told = await viewer.until("status")
    for n in range(3):
        said = msgspec.msgpack.encode([Line(n, 1, f"line {n}")])
        await live.store.write(append_service, [Lines(0, 0, 1, 1 << 1, n, n, said)])
        await viewer.has(*range(1, n + 2))

    assert told["job"]["id"] == "0"
    assert (told["job"]["status"], told["job"]["tally"]["total"], told["steps"]) == ("running", 0, [])
    assert [kind for kind, _ in viewer.parts].count("status") == 1


async def test_some_children_are_followed_with_what_is_below_them(
    live: Gateway, submit: Submit, worker: Worker
) -> None:
    await submit("parent")
    [parent] = await worker.take()
    await worker.tell(Spawned(parent.id, parent.epoch, 0, [Child("fetch", b"{}") for _ in range(5)]))
    children = await worker.take(5)
    chosen = f"{children[1].id}..{children[2].id}"
    viewer = await watch(live, parent.id, children=chosen, level="info")

    await worker.log(children[0], "not this one")
    await worker.log(children[1], "first")
    await worker.tell(Spawned(children[2].id, children[2].epoch, 0, [Child("fetch", b"{}")]))
    [deeper] = await worker.take()
    await worker.log(deeper, "below the second")
    await worker.log(children[4], "nor this one")
    while len(viewer.seqs) < 2:
        await viewer.take()
    again = await watch(live, parent.id, children=chosen, level="info", limit=1)
    await again.has(viewer.seqs[-1])

    said = [line["message"] for kind, data in viewer.parts if kind == "logs" for line in data["logs"]]
    assert said == ["first", "below the second"]


async def test_a_filter_advances_over_what_it_does_not_show(live: Gateway, worker: Worker, job: Job) -> None:
    viewer = await watch(live, job.id, level="error")
    await worker.log(job, "bad", level=3)
    await viewer.has(12)
    for n in range(3):
        await worker.log(job, f"quiet {n}")
    await worker.log(job, "bad again", level=3)
    await viewer.has(12, 16)


async def test_the_end_comes_after_every_line(live: Gateway, worker: Worker, job: Job) -> None:
    viewer = await watch(live, job.id)
    await worker.finish(job)

    end = await viewer.until("end")

    assert viewer.seqs == list(range(1, end["log_head"] + 1))
    assert [data["job"]["status"] for kind, data in viewer.parts if kind == "status"][-1] == "completed"


async def test_a_filtered_viewer_is_at_the_head_when_the_end_comes(live: Gateway, worker: Worker, job: Job) -> None:
    viewer = await watch(live, job.id, level="error")
    await worker.finish(job)

    end = await viewer.until("end")

    assert viewer.at == end["log_head"]
    with pytest.raises(AtTheEnd):
        await watch(live, job.id, cursor=f"{live.store.incarnation}.{job.root_id}.{viewer.at}")


@pytest.mark.parametrize("cursor", ["nonsense", "0000.1.5", "{inc}.7.5", "{inc}.1.99999", "{inc}.1.-1"])
async def test_a_strange_cursor_begins_again(live: Gateway, job: Job, cursor: str) -> None:
    viewer = await watch(live, job.id, cursor=cursor.format(inc=live.store.incarnation))

    await viewer.has(*range(1, 12))
    assert viewer.following.start.mode == "reset"


async def test_a_reopened_tree_goes_on(live: Gateway, worker: Worker, job: Job, client: Any) -> None:
    viewer = await watch(live, job.id)
    await worker.finish(job, error="it broke")
    await viewer.until("end")

    answer = await client.post(f"/api/jobs/{job.id}/retry", json={})
    assert answer.status_code == 200

    status = await viewer.until("status")
    assert status["reopened"] is True
    assert status["job"]["round"] == 2


async def test_a_tree_deleted_before_it_was_read_is_a_gap(live: Gateway, worker: Worker, job: Job, client: Any) -> None:
    await worker.finish(job)
    viewer = await watch(live, job.id, cursor=f"{live.store.incarnation}.{job.root_id}.0")

    await client.delete(f"/api/jobs/{job.id}")

    assert (await viewer.until("end"))["log_head"] == 12
    assert [data for kind, data in viewer.parts if kind == "gap"] == [{"from": 1, "to": 12, "why": "retention"}]


async def test_whoever_is_sent_away_hears_it(live: Gateway, job: Job) -> None:
    viewer = await watch(live, job.id)
    await viewer.has(*range(1, 12))

    viewer.following.leave(1234)

    assert await viewer.until("bye") == {"retry_ms": 1234}
    with pytest.raises(StopAsyncIteration):
        await viewer.take()


async def test_equal_scopes_share_their_bytes(live: Gateway, worker: Worker, job: Job) -> None:
    viewers = [await watch(live, job.id) for _ in range(5)]
    for viewer in viewers:
        await viewer.has(*range(1, 12))

    await worker.log(job, "one more")

    parts = []
    for viewer in viewers:
        while (part := await viewer.take()).kind != "logs":
            continue
        parts.append(part)
    assert len({id(part) for part in parts}) == 1


async def test_changes_of_status_come_from_a_position_on(live: Gateway, worker: Worker, job: Job) -> None:
    heard = []
    async with aclosing(live.feed.changes(job.root_id, after=0)) as changes:
        async for told in changes:
            heard += [(change.job_id, change.status) for change in told.changes]
            if len(heard) == 1:
                await worker.finish(job)
            if len(heard) == 2:
                break
    assert heard == [(job.id, 1), (job.id, 3)]
    page = await live.store.entries(job.root_id, EntryFilter())
    assert [entry.fields["status"] for entry in page.entries if entry.fields] == ["running", "completed"]


async def test_nobody_is_followed_who_does_not_exist(live: Gateway) -> None:
    with pytest.raises(NotFound):
        await live.feed.scope(99)


async def test_store_reads_grow_with_trees_not_with_viewers(
    live: Gateway, worker: Worker, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(100):
        await worker.log(job, f"more {n}")
    reads = 0
    read = type(live.store)._read_in  # type: ignore[attr-defined]

    async def counted(*args: Any) -> Any:
        nonlocal reads
        reads += 1
        return await read(*args)

    monkeypatch.setattr(type(live.store), "_read_in", counted)
    tree = f"{live.store.incarnation}.{job.root_id}."
    cursors = [f"{tree}{n % 90}" for n in range(200)] + [None] * 200

    viewers = await asyncio.gather(*(watch(live, job.id, cursor=cursor) for cursor in cursors))
    for viewer in viewers:
        while viewer.at < 111:
            await viewer.take()

    assert reads < 40


async def test_those_far_behind_at_one_place_share_a_read_and_whoever_lets_go_misses_nothing(
    live: Gateway, worker: Worker, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(100):
        await worker.log(job, f"more {n}")
    monkeypatch.setattr(view, "REACH", 0)
    monkeypatch.setattr(parts, "MAX_ENTRIES", 10)
    monkeypatch.setattr("quaero.gateway.following.BEHIND_AT_FIRST", 30)
    monkeypatch.setattr("quaero.gateway.following.BEHIND_AT_ONCE", 30)
    reads = 0
    read = live.store.stretches

    async def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal reads
        reads += 1
        return await read(*args, **kwargs)

    monkeypatch.setattr(type(live.store), "stretches", lambda self, *args, **kwargs: counted(*args, **kwargs))
    tree = f"{live.store.incarnation}.{job.root_id}."

    viewers = [await watch(live, job.id, cursor=f"{tree}{n}") for n in (0, *range(20))]
    await asyncio.gather(*(viewer.until("logs") for viewer in viewers))
    assert reads == 2  # one of them the tail's own
    for viewer in viewers[:3]:
        viewer.following.let_go()
    for n, viewer in zip((0, *range(20)), viewers, strict=True):
        await viewer.has(*range(n + 1, 112))
    assert reads <= 14  # four pieces for all, and again what was let go


async def test_what_was_read_for_one_who_lags_is_held_for_who_comes_next_while_there_is_room(
    live: Gateway, worker: Worker, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(100):
        await worker.log(job, f"more {n}")
    tree = f"{live.store.incarnation}.{job.root_id}."
    await (await watch(live, job.id, cursor=f"{tree}50")).has(*range(51, 112))
    [shared] = live.feed._tails[job.root_id].views.values()
    assert (shared.start, shared._older) == (50, None)

    monkeypatch.setattr(view, "HOT_BYTES", 100)
    await (await watch(live, job.id, cursor=f"{tree}10")).has(*range(11, 112))
    assert shared.start == 50
    assert shared._older is not None


async def test_what_is_kept_no_more_is_a_gap_for_one_far_behind(
    live: Gateway, worker: Worker, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "REACH", 0)
    read = live.store.stretches

    async def trimmed(*args: Any, **kwargs: Any) -> Any:
        return replace(await read(*args, **kwargs), oldest=5)

    viewer = await watch(live, job.id, cursor=f"{live.store.incarnation}.{job.root_id}.0")
    monkeypatch.setattr(type(live.store), "stretches", lambda self, *args, **kwargs: trimmed(*args, **kwargs))
    gap = await viewer.until("gap")
    assert (gap["from"], gap["to"]) == (1, 4)
    viewer.at = 4
    await viewer.has(*range(5, 12))


async def test_an_end_waits_for_lines_that_were_recorded_before_it_and_not_read_yet(
    gateway: Gateway, worker: Worker, job: Job
) -> None:
    running = asyncio.create_task(gateway.feed.run())
    viewer = await watch(gateway, job.id)
    await viewer.until("status")
    running.cancel()
    await asyncio.wait({running})

    await worker.log(job, "the last line")
    await worker.finish(job)
    standing = await gateway.store.standing(job.id)
    viewer.following._view.tell(standing)

    assert standing is not None
    assert standing.job.is_terminal
    assert viewer.following.next_part() is None


async def test_a_feed_that_breaks_sends_its_viewers_to_come_again(
    live: Gateway, worker: Worker, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = await watch(live, job.id)
    await viewer.has(*range(1, 12))
    await viewer.until("status")

    with monkeypatch.context() as broken:
        broken.setattr(type(live.store), "stretches", None)
        await worker.log(job, "one more")
        with pytest.raises(StopAsyncIteration):
            await viewer.until("end")

    again = await watch(live, job.id, cursor=f"{live.store.incarnation}.{job.root_id}.{viewer.at}")
    await again.has(12)


async def test_an_overloaded_gateway_sends_some_viewers_away(
    live: Gateway, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewers = [await watch(live, job.id) for _ in range(40)]
    monkeypatch.setattr(type(live.feed.pace), "is_overloaded", True)

    taking = {asyncio.ensure_future(viewer.until("bye")) for viewer in viewers}
    done, others = await asyncio.wait(taking, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)

    for task in others:
        task.cancel()
    assert 0 < len(done) <= 4
    assert all(task.result()["retry_ms"] >= 5_000 for task in done)
