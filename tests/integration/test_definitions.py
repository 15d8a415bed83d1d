"""Definitions end to end: dependencies, what a step's failure means for its tree, limits and timeouts."""

import asyncio
from pathlib import Path
from textwrap import dedent

import pytest
from tests.integration.engine import BOTH_STORES, Engine, error, running, settings_for, status

from quaero.domain.job import Job

pytestmark = [pytest.mark.anyio, BOTH_STORES]


async def steps(engine: Engine, root_id: int) -> dict[str, Job]:
    """The steps of a tree by name."""
    return {step.name or "": step for step in await engine.store.steps(root_id)}


async def outcomes(engine: Engine, text: str) -> dict[str, str]:
    """Run a definition to its end: the status of the root (`*`) and of each step."""
    root = await engine.ended(await engine.define(f'id = "d"\nname = "D"\n{dedent(text)}'))
    return {"*": status(root), **{name: status(step) for name, step in (await steps(engine, root.id)).items()}}


async def test_a_step_begins_after_those_it_depends_on_with_all_their_children(engine: Engine) -> None:
    root_id = await engine.define(
        """
        id = "d"
        name = "D"
        [step.first]
        type = "parent"
        n = 20
        kind = "takes_its_time"
        [step.second]
        type = "add"
        depends = "first"
        [step.beside]
        type = "add"
        """
    )
    await engine.ended(root_id)

    found = await steps(engine, root_id)
    assert found["second"].started_at >= found["first"].finished_at
    assert found["beside"].started_at < found["first"].finished_at
    assert found["first"].tally.completed == 20


@pytest.mark.parametrize(
    ("on_error", "expected"),
    [
        ("fail", {"*": "failed", "one": "failed", "two": "cancelled"}),
        ("continue", {"*": "completed", "one": "failed", "two": "completed"}),
        ("retry", {"*": "failed", "one": "failed", "two": "cancelled"}),
    ],
)
async def test_what_a_failed_step_means_for_its_tree(engine: Engine, on_error: str, expected: dict[str, str]) -> None:
    text = f"""
        [step.one]
        type = "gives_up"
        on_error = "{on_error}"
        [step.two]
        type = "add"
        depends = "one"
        """

    assert await outcomes(engine, text) == expected


async def test_a_step_that_is_retried_may_end_well(engine: Engine) -> None:
    text = """
        [step.one]
        type = "parent"
        n = 3
        kind = "fails_once_by_hand"
        on_error = "retry"
        [step.two]
        type = "add"
        depends = "one"
        """

    assert await outcomes(engine, text) == {"*": "completed", "one": "completed", "two": "completed"}


async def test_a_limit_bounds_how_many_jobs_of_a_step_run_at_once(engine: Engine) -> None:
    root_id = await engine.define(
        """
        id = "d"
        name = "D"
        [step.one]
        type = "parent"
        n = 30
        kind = "takes_its_time"
        limit = 3
        """
    )
    await engine.ended(root_id)

    [step] = await engine.store.steps(root_id)
    moments = [
        (at, change)
        for child in await engine.children(step.id)
        for at, change in ((child.started_at, 1), (child.finished_at, -1))
    ]
    at_once = most = 0
    for _, change in sorted(moments):
        at_once += change
        most = max(most, at_once)
    assert step.tally.completed == 30
    assert 1 < most <= 3


@pytest.mark.parametrize(
    ("tolerance", "expected", "warnings"),
    [
        ("", "failed", 0),
        ("max_child_failures = 0", "completed", 2),
        ("max_child_failures = 2", "completed", 2),
        ('max_child_failures = 1\nfailure_action = "continue"', "failed", 0),
        ('max_child_failures = 1\nfailure_action = "mark_warning"', "completed", 2),
        ('max_child_failures = 1\nfailure_action = "stop_all"', "failed", 0),
    ],
)
async def test_what_failed_children_mean_for_a_step(
    engine: Engine, tolerance: str, expected: str, warnings: int
) -> None:
    root_id = await engine.define(
        f"""
id = "d"
name = "D"
[step.one]
type = "mixed"
good = 3
bad = 2
{"[error_tolerance]" if tolerance else ""}
{tolerance}
"""
    )

    root = await engine.ended(root_id)

    [step] = await engine.store.steps(root_id)
    assert status(root) == status(step) == expected
    assert step.tally.failed == 2
    if expected == "completed":
        assert step.warnings == warnings


async def test_stop_all_cancels_what_is_left_of_the_tree(engine: Engine) -> None:
    text = """
        [step.one]
        type = "mixed"
        good = 0
        bad = 2
        [step.other]
        type = "rests"
        [error_tolerance]
        max_child_failures = 1
        failure_action = "stop_all"
        """

    assert await outcomes(engine, text) == {"*": "failed", "one": "failed", "other": "cancelled"}


async def test_a_tree_past_its_timeout_fails_and_says_so(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, lease=8.0, heartbeat=0.2)) as engine:
        root_id = await engine.define(
            """
            id = "d"
            name = "D"
            timeout = "1s"
            [step.one]
            type = "parent"
            n = 5
            kind = "rests"
            [step.two]
            type = "add"
            depends = "one"
            """
        )

        root = await engine.ended(root_id)

        assert (status(root), error(root)["message"]) == ("failed", "timed out after 1s")
        found = await steps(engine, root_id)
        assert {status(step) for step in found.values()} == {"cancelled"}
        open_jobs = await engine.store.rows("select count(*) from job where root_id = ? and status < 3", (root_id,))
        assert open_jobs == [(0,)]


async def test_several_trees_of_one_definition_run_side_by_side(engine: Engine) -> None:
    text = 'id = "d"\nname = "D"\n[step.one]\ntype = "parent"\nn = 10\n'
    ids = await asyncio.gather(*(engine.define(text) for _ in range(5)))

    roots = await asyncio.gather(*(engine.ended(root_id) for root_id in ids))

    assert [(status(root), root.below.completed) for root in roots] == [("completed", 10)] * 5
