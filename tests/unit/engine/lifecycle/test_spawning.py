"""Children: made once however often they are asked for, all of a request or none."""

import pytest

from quaero.domain.entries import Level
from quaero.domain.facts import How
from quaero.domain.status import JobStatus as S
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_definition, a_limit, a_step, began, spawned

pytestmark = pytest.mark.anyio


async def test_a_parent_that_runs_again_finds_the_children_it_had_spawned(bench: Bench) -> None:
    parent = await bench.running()
    first = await bench.hand.spawn(
        parent, [a_child(payload={"n": 1}), a_child(payload={"n": 1}), a_child(payload={"n": 2})]
    )
    await bench.hand.end(parent, how=How.FAILED)
    bench.clock.move(10)

    [again] = [job for job in await bench.hand.take() if job.id == parent.id]
    second = await bench.hand.spawn(
        again,
        [
            a_child(payload={"n": 1}, nth=1),
            a_child(payload={"n": 1}, nth=2),
            a_child(payload={"n": 1}, nth=3),
            a_child(payload={"n": 2}, nth=1),
        ],
    )

    assert [second[0], second[1], second[3]] == first
    assert second[2] not in first
    assert (await bench.job(parent.id)).tally.total == 4


async def test_a_parent_finds_its_children_over_several_commits_of_one_run(bench: Bench) -> None:
    parent = await bench.running()
    first = await bench.hand.spawn(parent, [a_child(), a_child()])
    await bench.hand.end(parent, how=How.REFUNDED)
    [again] = [job for job in await bench.hand.take() if job.id == parent.id]

    found = [(await bench.hand.spawn(again, [a_child(nth=n)]))[0] for n in (1, 2, 3, 4)]

    assert found[:2] == first
    assert len(set(found)) == 4


async def test_children_spawned_under_the_step_are_found_by_the_one_who_asked_for_them(bench: Bench) -> None:
    await bench.definition(a_definition())
    [step] = await bench.hand.take()
    await bench.hand.spawn(step, [a_child(payload={"n": n}) for n in range(2)])
    await bench.hand.end(step)
    one, two = await bench.hand.take()
    [of_one] = await bench.hand.spawn(one, [a_child(under_step=True)])
    [of_two] = await bench.hand.spawn(two, [a_child(under_step=True)])
    await bench.hand.end(one, two, how=How.LOST)

    again = {job.id: job for job in await bench.hand.take()}
    [found_one] = await bench.hand.spawn(again[one.id], [a_child(under_step=True, nth=1)])
    [found_two] = await bench.hand.spawn(again[two.id], [a_child(under_step=True, nth=1)])

    assert (found_one, found_two) == (of_one, of_two)
    assert of_one != of_two


async def test_a_spawn_with_one_impossible_child_makes_none(bench: Bench) -> None:
    parent = await bench.running()
    stranger = await bench.root()

    told = await bench.hand.tell(spawned(parent, [a_child(), a_child(after=(stranger,))]))

    assert f"job {stranger}, which is not a sibling" in (told.answers[0].error or "")
    assert (await bench.job(parent.id)).tally.total == 0


async def test_spawning_an_unknown_kind_is_refused_with_a_remedy(bench: Bench) -> None:
    parent = await bench.running()

    told = await bench.hand.tell(spawned(parent, [a_child(), a_child("nobody.knows")]))

    assert "'nobody.knows': register it" in (told.answers[0].error or "")
    assert (await bench.job(parent.id)).tally.total == 0


async def test_a_limit_key_cannot_stand_for_a_steps_limit(bench: Bench) -> None:
    await bench.definition(a_definition(a_step("a", limit=1)))
    [step] = await bench.hand.take()

    told = await bench.hand.tell(spawned(step, [a_child(limit=a_limit(f"step:{step.id}", at_once=99))]))

    assert "begins with `step:`" in (told.answers[0].error or "")
    await bench.hand.spawn(step, [a_child(payload={"n": n}) for n in range(3)])
    assert len(await bench.hand.take()) == 1


async def test_a_parent_with_a_cap_gets_no_more_children(bench: Bench) -> None:
    parent = await bench.running()
    children = [a_child(payload={"n": n}, cap=3) for n in range(2)]

    first = await bench.hand.spawn(parent, children)
    second = await bench.hand.spawn(parent, children)

    assert all(first)
    assert second[0] > 0
    assert second[1] == 0
    assert (await bench.job(parent.id)).tally.total == 3


async def test_a_refused_spawn_is_told_in_the_spawners_log_whether_or_not_anybody_awaits_it(bench: Bench) -> None:
    parent = await bench.running()

    await bench.hand.tell(spawned(parent, [a_child(), a_child("nobody.knows")]))

    [entry] = [entry for entry in await bench.entries(parent.id) if "Refused" in entry.message]
    assert (entry.level, entry.fields) == (Level.WARN, {"refused": 2})
    assert "'nobody.knows': register it" in entry.message


async def test_children_beyond_a_cap_are_told_in_the_spawners_log(bench: Bench) -> None:
    parent = await bench.running()

    await bench.hand.spawn(parent, [a_child(payload={"n": n}, cap=3) for n in range(5)])

    messages = [entry.message for entry in await bench.entries(parent.id)]
    assert "Refused to spawn 2: there are as many children as `max_children` allows" in messages
    assert "Spawned 3" in messages


async def test_a_spawn_refused_by_a_cancel_is_told_while_the_job_still_runs_and_never_after_its_end(
    bench: Bench,
) -> None:
    parent = await bench.running()
    await bench.hand.spawn(parent, [a_child()])
    await bench.cancel(parent.id)

    await bench.hand.tell(spawned(parent, [a_child(payload={"n": 2})]))
    assert "being cancelled" in (await bench.entries(parent.id))[-1].message
    await bench.hand.end(parent, how=How.CANCELLED)
    before = len(await bench.entries(parent.id))
    await bench.hand.tell(spawned(parent, [a_child(payload={"n": 3})]))

    assert len(await bench.entries(parent.id)) == before


async def test_a_key_is_unique_within_its_tree(bench: Bench) -> None:
    parent, other = await bench.running(), await bench.running()

    first = await bench.hand.spawn(parent, [a_child(key="x"), a_child(key="x"), a_child(key="y")])
    second = await bench.hand.spawn(parent, [a_child(key="y"), a_child(key="x")])
    elsewhere = await bench.hand.spawn(other, [a_child(key="x")])

    assert first[0] == first[1]
    assert second == [first[2], first[0]]
    assert elsewhere[0] not in first


async def test_spawns_and_lines_count_as_a_start(bench: Bench) -> None:
    await bench.root()
    [job] = await bench.hand.take()

    await bench.hand.spawn(job, [a_child()])

    assert await bench.status(job.id) == S.RUNNING
    assert (await bench.job(job.id)).attempt == 1


async def test_a_start_told_twice_counts_once(bench: Bench) -> None:
    await bench.root()
    [job] = await bench.hand.take()

    await bench.hand.tell(began(job), began(job))
    await bench.hand.tell(began(job))

    assert (await bench.job(job.id)).attempt == 1
