"""The map of a job's children: every one of them, in order, at a cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import msgspec
import pytest

from quaero.domain.facts import Child, Spawned
from quaero.domain.job import Job
from quaero.domain.status import WORDS
from quaero.gateway.mapcache import Maps
from quaero.gateway.mapformat import BINARY
from quaero.storage import childmap
from quaero.storage.childmap import duration_code
from quaero.storage.port import JobFilter
from quaero.storage.sqlstore import SqlStore

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import Submit, Worker

pytestmark = pytest.mark.anyio


def varints(data: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
    return numbers


def unpack(body: bytes) -> tuple[dict[str, Any], dict[int, int]]:
    """Head, and codes by id, read as the documentation says."""
    length = int.from_bytes(body[:4], "little")
    head, _, runs = body[4 : 4 + length].partition(b"\0")
    told: dict[str, Any] = msgspec.json.decode(head)
    codes = body[4 + length :]
    ids, end = [], 0
    numbers = varints(runs)
    for gap, n in zip(numbers[::2], numbers[1::2], strict=True):
        ids += range(end + gap, end + gap + n)
        end += gap + n
    assert len(ids) == len(codes) == told["count"]
    return told, dict(zip(ids, codes, strict=True))


def spread(answer: dict[str, Any]) -> dict[int, int]:
    """Codes by id of the JSON form."""
    ids = [first + n for first, many in answer["ids"] for n in range(many)]
    codes = [code for code, many in answer["runs"] for _ in range(many)]
    return dict(zip(ids, codes, strict=True))


async def family(submit: Submit, worker: Worker, n: int) -> Job:
    """A running parent with `n` children, some of which ended."""
    await submit("parent")
    [parent] = await worker.take()
    await worker.tell(Spawned(parent.id, parent.epoch, 0, [Child("fetch", b"{}") for _ in range(n)]))
    for place, child in enumerate(await worker.take(n // 2)):
        await worker.finish(child, error="bad" if place % 3 == 0 else None)
    return parent


async def as_it_is(store: SqlStore, parent: Job) -> dict[int, int]:
    page = await store.jobs(JobFilter(parent_id=parent.id), limit=1000)
    return {job.id: job.status for job in page.jobs}


async def test_both_forms_tell_every_childs_status_and_the_cursor(
    client: httpx2.AsyncClient, store: SqlStore, submit: Submit, worker: Worker
) -> None:
    parent = await family(submit, worker, 20)

    plain = (await client.get(f"/api/jobs/{parent.id}/map")).json()
    packed = await client.get(f"/api/jobs/{parent.id}/map", headers={"accept": BINARY})
    head, codes = unpack(packed.content)

    root = await store.job(parent.id)
    assert root is not None
    assert packed.headers["content-type"] == BINARY
    assert codes == spread(plain) == await as_it_is(store, parent)
    assert head["legend"] == plain["legend"] == list(WORDS)
    assert head["cursor"] == plain["cursor"] == f"{store.incarnation}.{parent.id}.{root.journal_head}"


async def test_ids_that_do_not_follow_each_other_are_kept_apart_also_across_chunks(
    client: httpx2.AsyncClient, store: SqlStore, submit: Submit, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(childmap, "CHUNK", 4)
    await submit("parent")
    [parent] = await worker.take()
    for n in (3, 1, 4, 2):
        await worker.tell(Spawned(parent.id, parent.epoch, 0, [Child("fetch", b"{}", key=f"{n}{i}") for i in range(n)]))
        await submit("fetch")

    answer = (await client.get(f"/api/jobs/{parent.id}/map")).json()

    assert [many for _, many in answer["ids"]] == [3, 1, 4, 2]
    assert spread(answer) == await as_it_is(store, parent)


async def test_a_map_by_error_names_the_group_of_each_failure(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    parent = await family(submit, worker, 24)

    answer = (await client.get(f"/api/jobs/{parent.id}/map", params={"by": "error"})).json()
    groups = {group["code"]: group for group in answer["legend"]}
    codes = list(spread(answer).values())

    failed = [code for code in codes if code]
    assert len(failed) == 4
    assert all(codes.count(code) == group["count"] for code, group in groups.items())


async def test_a_map_by_duration_is_zero_before_the_start(
    client: httpx2.AsyncClient, submit: Submit, worker: Worker
) -> None:
    parent = await family(submit, worker, 10)

    answer = (await client.get(f"/api/jobs/{parent.id}/map", params={"by": "duration"})).json()

    codes = list(spread(answer).values())
    assert [code > 0 for code in codes] == [True] * 5 + [False] * 5


@pytest.mark.parametrize("code", range(1, 120))
def test_a_code_of_a_duration_begins_where_the_documentation_says(code: int) -> None:
    octave, quarter = divmod(code - 1, 4)
    begins = (1 << octave) * (4 + quarter) / 4 - 1

    if begins == int(begins):
        assert duration_code(int(begins)) == code
        assert duration_code(int(begins) - 1) < code


async def test_a_job_without_children_has_an_empty_map(client: httpx2.AsyncClient, submit: Submit) -> None:
    job = await submit()

    answer = await client.get(f"/api/jobs/{job['id']}/map", params={"format": "binary"})

    assert unpack(answer.content)[1] == {}


async def test_what_cannot_be_drawn_is_refused(client: httpx2.AsyncClient, submit: Submit) -> None:
    job = await submit()

    assert (await client.get("/api/jobs/999/map")).status_code == 404
    assert (await client.get(f"/api/jobs/{job['id']}/map", params={"by": "colour"})).status_code == 422


async def test_a_map_is_kept_while_nothing_moved_and_made_anew_when_something_did(
    store: SqlStore, submit: Submit, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quaero.gateway.lately.WORTH", 0.0)
    maps = Maps()
    parent = await family(submit, worker, 8)
    [child] = await worker.take()

    first = await maps.get(store, parent.id, "status")
    again = await maps.get(store, parent.id, "status")
    await worker.finish(child)
    after = await maps.get(store, parent.id, "status")

    assert again is first
    assert after is not first
    assert dict(zip(range(after.runs[0][0], after.runs[0][0] + 8), after.codes, strict=True)) == await as_it_is(
        store, parent
    )
