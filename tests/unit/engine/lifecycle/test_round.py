"""A worker's round: what happened, what comes next and what to stop, in one commit."""

import pytest

from quaero.domain.facts import How
from quaero.domain.status import JobStatus as S
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_definition, a_root, a_step, began, ended, lines, spawned

pytestmark = pytest.mark.anyio


async def test_a_task_holds_all_an_executor_needs(bench: Bench) -> None:
    await bench.definition(a_definition(a_step("a")))
    [step] = await bench.hand.take()
    [child] = await bench.hand.spawn(step, [a_child(payload={"x": 1}, max_attempts=4, timeout=9)])

    [task] = (await bench.hand.play(n=1)).tasks

    assert (task.job_id, task.root_id, task.parent_id, task.step, task.step_id) == (child, 1, step.id, "a", step.id)
    assert (task.kind, task.payload, task.epoch, task.attempt, task.round) == ("work", b'{"x": 1}', 1, 1, 1)
    assert (task.max_attempts, task.timeout) == (4, 9)


async def test_a_round_records_before_it_takes_so_what_was_freed_can_be_taken(bench: Bench) -> None:
    parent, [first] = await bench.family(1)
    [job] = await bench.hand.take()
    [second] = await bench.hand.spawn(parent, [a_child(payload={"n": 2}, after=(first,))])

    answer = await bench.hand.play([ended(job)], n=5)

    assert [task.job_id for task in answer.tasks] == [second]


async def test_a_round_answers_spawns_in_order_by_their_tokens(bench: Bench) -> None:
    parent = await bench.running()

    answer = await bench.hand.play(
        [
            spawned(parent, [a_child(payload={"n": n}) for n in range(3)], token=0),
            spawned(parent, [a_child("nobody")], 3),
        ]
    )

    one, two = answer.recorded.answers
    assert (one.token, len(one.ids), one.error) == (0, 3, None)
    assert (two.token, two.ids) == (3, [])
    assert two.error


async def test_a_round_tells_what_this_worker_holds_no_more(bench: Bench) -> None:
    kept, lost = await bench.running(), await bench.running()
    await bench.hand.end(lost, how=How.REFUNDED)

    answer = await bench.hand.play(held=[kept, lost])

    assert answer.stop == [lost.id]


async def test_a_job_that_begins_and_ends_in_one_round_has_both_in_its_journal(bench: Bench) -> None:
    root_id = await bench.root()
    [job] = await bench.hand.take()

    at = bench.clock.now() + 5
    bench.clock.move(1)

    await bench.hand.play([began(job, at), lines(job, "a", "b"), ended(job, began_at=at, at=at + 3)])

    assert [entry.message for entry in await bench.entries(root_id)] == [
        "Status changed: running",
        "a",
        "b",
        "Status changed: completed",
    ]
    after = await bench.job(root_id)
    assert (after.started_at, after.finished_at, after.first_seq, after.last_seq) == (at, at + 3, 1, 4)


async def test_only_an_end_is_enough_for_a_start(bench: Bench) -> None:
    root_id = await bench.root()
    [job] = await bench.hand.take()

    at = bench.clock.now()
    bench.clock.move(1)

    await bench.hand.play([ended(job, began_at=at, at=at, result=b'{"a":1}')])

    after = await bench.job(root_id)
    assert (after.status, after.attempt, after.started_at, after.result) == (S.COMPLETED, 1, at, b'{"a":1}')


async def test_a_hungry_round_says_when_time_alone_brings_work(bench: Bench) -> None:
    due = bench.clock.now() + 3_000_000
    await bench.root(a_root(run_at=due), a_root(run_at=due + 1))

    assert (await bench.hand.play(n=5)).next_due == due
    assert (await bench.hand.play()).next_due == 0


async def test_the_entry_of_a_child_carries_its_parents_tally_as_it_was_then(bench: Bench) -> None:
    parent, _ = await bench.family(3)
    for job in await bench.hand.take():
        await bench.hand.tell(ended(job))

    tallies = [
        entry.fields["tally"]
        for entry in await bench.entries(parent.id)
        if entry.fields and "tally" in entry.fields and entry.message.endswith("completed")
    ]

    assert [(tally["pending"], tally["completed"]) for tally in tallies] == [(2, 1), (1, 2), (0, 3)]
