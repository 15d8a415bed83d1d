"""Spawning: children are made once, in order, when they may be, and their parents know of them."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine import BOTH_STORES, Engine, error, result, running, settings_for, status

pytestmark = [pytest.mark.anyio, BOTH_STORES]


@pytest.mark.parametrize("kind", ["parent", "parent_plain"])
async def test_a_parent_of_many_knows_their_ids_and_closes_after_them(engine: Engine, kind: str) -> None:
    root = await engine.run(kind, {"n": 2_500})

    children = await engine.children(root.id)
    assert status(root) == "completed"
    assert [str(child.id) for child in children] == result(root)["ids"]
    assert (root.tally.total, root.tally.completed) == (2_500, 2_500)
    assert max(child.finished_at for child in children) <= root.finished_at
    assert "Spawned 1,000" in await engine.texts(root.id)


@pytest.mark.parametrize(("kind", "seen"), [("sees_children", 3), ("sees_children_plain", 2)])
async def test_a_handler_sees_its_children_with_their_results(engine: Engine, kind: str, seen: int) -> None:
    root = await engine.run(kind)

    assert status(root) == "completed"
    if seen == 3:
        assert result(root) == [{"kind": "add", "result": n} for n in (10, 11, 12)]
    else:
        assert result(root) == seen


async def test_every_option_of_spawn_does_what_it_says(engine: Engine) -> None:
    root = await engine.run("options")

    ids = {name: int(value) for name, value in result(root).items()}
    first, last, late = [await engine.job(ids[name]) for name in ("first", "last", "late")]
    assert ids["again"] == ids["first"]
    assert root.tally.total == 3
    assert last.started_at >= first.finished_at
    assert late.started_at - late.created_at >= 400_000


async def test_jobs_of_one_limit_key_run_one_at_a_time(engine: Engine) -> None:
    root = await engine.run("host", {"n": 6, "at_once": 1, "apart": 0.0})

    spans = sorted((job.started_at, job.finished_at) for job in await engine.children(root.id))
    assert all(later[0] >= earlier[1] - 50_000 for earlier, later in pairwise(spans))


async def test_jobs_of_one_limit_key_begin_apart_from_each_other(engine: Engine) -> None:
    root = await engine.run("host", {"n": 5, "at_once": 5, "apart": 0.2})

    begun = sorted(job.started_at for job in await engine.children(root.id))
    gaps = [later - earlier for earlier, later in pairwise(begun)]
    assert min(gaps) >= 100_000  # reserved 0.2 s apart; what comes between that and the start varies
    assert max(gaps) <= 900_000


async def test_what_has_a_higher_priority_begins_first(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, executors=1, concurrency=1)) as engine:
        holding = await engine.submit("rests")
        await engine.reaches(holding, "running")
        jobs = {priority: await engine.submit("add", priority=priority) for priority in (0, -5, 10, 3)}

        await engine.cancel(holding)

        begun = {priority: (await engine.ended(job_id)).started_at for priority, job_id in jobs.items()}
        assert sorted(begun, key=begun.__getitem__) == [10, 3, 0, -5]


async def test_a_parent_that_died_after_spawning_finds_its_children_again(engine: Engine) -> None:
    root = await engine.run("crashing_parent")

    assert (status(root), root.attempt, root.tally.total) == ("completed", 2, 5)
    assert [str(child.id) for child in await engine.children(root.id)] == result(root)


async def test_a_child_of_a_kind_nobody_knows_is_refused_and_the_handler_told(engine: Engine) -> None:
    job = await engine.run("parent", {"n": 1, "kind": "nobody.knows"}, max_attempts=1)

    assert status(job) == "failed"
    assert "nobody.knows" in error(job)["message"]


async def test_what_is_spawned_under_the_step_belongs_to_it_at_any_depth(engine: Engine) -> None:
    root_id = await engine.define(
        """
        id = "d"
        name = "D"
        [step.one]
        type = "under_step"
        depth = 3
        """
    )

    root = await engine.ended(root_id)

    [step] = await engine.store.steps(root_id)
    assert status(root) == "completed"
    assert (step.tally.total, step.below.total, root.below.total) == (3, 3, 3)
    assert {child.parent_id for child in await engine.children(step.id)} == {step.id}


async def test_what_a_handler_tells_is_shown_on_the_job_its_step_and_its_root(engine: Engine) -> None:
    root_id = await engine.define(
        """
        id = "d"
        name = "D"
        [step.one]
        type = "parent"
        n = 3
        kind = "tells"
        """
    )

    root = await engine.ended(root_id)

    [step] = await engine.store.steps(root_id)
    [child, *_] = await engine.children(step.id)
    assert json(child.progress) == {"current": 1, "total": 2, "message": "half"}
    assert json(child.counts) == {"pages": 3, "bytes": 100}
    assert json(step.counts) == json(root.counts) == {"pages": 9, "bytes": 300}
    assert result(child) == {"told": True}
    documents = await engine.store.documents(q="quick fox", root_id=root_id)
    assert len(documents) == 3
    assert {document.title for document in documents} == {"A page"}
    assert not await engine.store.documents(q="slow fox")


async def test_a_tree_several_levels_deep_closes_from_below(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, executors=2)) as engine:
        root = await engine.run("generator", {"child_count": 3, "recursion_depth": 3, "log_count": 2, "work_ms": 1})

        rows = await engine.store.rows("select status, count(*) from job where root_id = ? group by 1", (root.id,))
        assert status(root) == "completed"
        assert rows == [(3, 1 + 3 + 9 + 27)]


def json(raw: bytes | None) -> Any:
    import msgspec

    return msgspec.json.decode(raw or b"null")
