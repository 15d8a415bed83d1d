"""Claims: who is next, how many at once, and when; a limit is never passed, a small tree never starves."""

import pytest

from quaero.domain.facts import ErrorInfo, How
from quaero.domain.job import Job
from quaero.engine.lifecycle.reserve import reserve
from quaero.testing import Bench, Hand
from quaero.testing.factories import a_child, a_definition, a_limit, a_root, a_step, ended

pytestmark = pytest.mark.anyio


def ids(jobs: list[Job]) -> list[int]:
    return [job.id for job in jobs]


async def test_ready_jobs_of_a_tree_go_in_the_order_they_were_made(bench: Bench) -> None:
    _, children = await bench.family(10)

    assert ids(await bench.hand.take(4)) == children[:4]
    assert ids(await bench.hand.take(4)) == children[4:8]


async def test_higher_priority_goes_first(bench: Bench) -> None:
    low = await bench.root(a_root(priority=0), a_root(priority=-5))
    high = await bench.root(a_root(priority=7))

    assert ids(await bench.hand.take(1)) == [high]
    assert ids(await bench.hand.take(1)) == [low]
    assert ids(await bench.hand.take(1)) == [low + 1]


async def test_children_inherit_the_priority_of_their_parent(bench: Bench) -> None:
    await bench.family(3, a_root(priority=0))
    parent, children = await bench.family(2, a_root(priority=3))

    assert ids(await bench.hand.take(2)) == children
    assert (await bench.job(children[0])).priority == parent.priority


async def test_trees_of_one_priority_share_a_claim(bench: Bench) -> None:
    _, many = await bench.family(100)
    _, few = await bench.family(3)
    lone = await bench.root()

    taken = ids(await bench.hand.take(10))

    assert lone in taken
    assert set(few) < set(taken)
    assert len(set(taken) & set(many)) == 6


async def test_a_one_job_tree_behind_a_great_one_is_in_the_next_claim(bench: Bench) -> None:
    await bench.family(5_000)
    lone = 0
    taken = []
    for n in range(4):
        bench.clock.move(0.001)
        lone = lone or (await bench.root() if n == 1 else 0)
        bench.clock.move(0.001)
        taken += ids(await bench.hand.take(1))

    assert lone in taken


async def test_claims_of_one_go_round_by_root(bench: Bench) -> None:
    families = [set((await bench.family(20))[1]) for _ in range(3)]

    turns = []
    for _ in range(9):
        bench.clock.move(0.001)
        [job] = await bench.hand.take(1)
        turns.append(next(n for n, family in enumerate(families) if job.id in family))

    assert turns == turns[:3] * 3
    assert sorted(turns[:3]) == [0, 1, 2]


async def test_a_tree_of_many_lanes_gets_no_more_of_a_claim_than_another(bench: Bench) -> None:
    """A crawl of many hosts has a lane for each; it is still one tree among others."""
    parent = await bench.running()
    await bench.hand.spawn(parent, [a_child(payload={"n": n}, limit=a_limit(f"host{n}")) for n in range(5)])
    _, children = await bench.family(20)

    taken = ids(await bench.hand.take(6))

    assert len(set(taken) & set(children)) == 3


async def crawl(bench: Bench, hosts: int, each: int = 1) -> set[int]:
    """A tree with a lane for every host; its children."""
    parent = await bench.running()
    children = [
        a_child(payload={"n": n}, limit=a_limit(f"{parent.id}-{n % hosts}", at_once=99)) for n in range(hosts * each)
    ]
    return set(await bench.hand.spawn(parent, children))


async def test_a_tree_of_many_lanes_does_not_starve_a_one_job_tree(bench: Bench) -> None:
    await crawl(bench, 1_000)
    bench.clock.move(1)
    lone = await bench.root()

    assert lone in ids(await bench.hand.take(10))


async def test_claims_of_one_go_round_by_root_however_many_lanes_each_has(bench: Bench) -> None:
    trees = [await crawl(bench, hosts, each) for hosts, each in ((1, 60), (60, 1), (5, 12))]

    got = [0, 0, 0]
    for _ in range(60):
        bench.clock.move(0.001)
        [job] = await bench.hand.take(1)
        got[next(n for n, tree in enumerate(trees) if job.id in tree)] += 1

    assert got == [20, 20, 20]


async def test_a_tree_that_has_one_job_at_a_time_does_not_go_before_all_others(bench: Bench) -> None:
    _, many = await bench.family(20)
    parent = await bench.running()

    got = []
    for n in range(12):
        bench.clock.move(0.001)
        await bench.hand.spawn(parent, [a_child(payload={"n": n})])
        got += ids(await bench.hand.take(1))

    assert len(set(got) & set(many)) == 6


async def test_a_tree_that_was_served_long_is_not_held_back_by_one_that_was_idle_as_long(bench: Bench) -> None:
    _, many = await bench.family(60)
    idle, _ = await bench.family(1)
    for _ in range(30):
        bench.clock.move(0.001)
        await bench.hand.take(1)
    late = await bench.hand.spawn(idle, [a_child(payload={"late": n}) for n in range(30)])

    got = []
    for _ in range(10):
        bench.clock.move(0.001)
        got += ids(await bench.hand.take(1))

    assert len(set(got) & set(many)) == len(set(got) & set(late)) == 5


async def test_a_worker_gets_only_kinds_it_asked_for(bench: Bench) -> None:
    work, other = await bench.root(a_root("work"), a_root("other")), 0
    other = work + 1

    assert ids(await bench.hand.take(kinds=["other"])) == [other]
    assert ids(await bench.hand.take(kinds=["unheard.of"])) == []
    assert ids(await bench.hand.take(kinds=["work"])) == [work]


async def test_a_worker_may_claim_one_tree_only(bench: Bench) -> None:
    await bench.root()
    _, children = await bench.family(2)
    root_id = (await bench.job(children[0])).root_id

    assert ids(await bench.hand.take(root_id=root_id)) == children


async def test_nothing_is_given_for_no_appetite(bench: Bench) -> None:
    await bench.root()

    assert await bench.hand.take(0) == []
    assert await bench.store.write(reserve, bench.hand.worker_id, []) == []


async def test_a_job_is_given_once_even_for_two_wants_of_one_claim(bench: Bench) -> None:
    await bench.root(*[a_root()] * 5)

    taken = await bench.store.write(reserve, bench.hand.worker_id, [bench.hand.want(3), bench.hand.want(3)])

    assert sorted(ids(taken)) == [1, 2, 3, 4, 5]


# --- time


async def test_a_delayed_job_is_given_when_its_time_has_come(bench: Bench) -> None:
    now = bench.clock.now()
    later = await bench.root(a_root(run_at=now + 5_000_000))
    parent = await bench.running()
    [child] = await bench.hand.spawn(parent, [a_child(delay=2_000_000)])

    answer = await bench.hand.play(n=10)
    assert (answer.tasks, answer.next_due) == ([], now + 2_000_000)
    bench.clock.move(2)
    assert ids(await bench.hand.take()) == [child]
    bench.clock.move(3)
    assert ids(await bench.hand.take()) == [later]


async def test_a_failed_attempt_waits_at_least_what_its_handler_asked_for(bench: Bench) -> None:
    job = await bench.running()
    await bench.hand.tell(ended(job, How.FAILED, error=ErrorInfo("Busy", "come back", retry_after=60.0)))

    bench.clock.move(59.9)
    await bench.hand.renew()
    assert await bench.hand.take() == []
    bench.clock.move(1.1)
    assert ids(await bench.hand.take()) == [job.id]


# --- limits


async def test_no_more_than_at_once_of_a_key_are_held_in_the_whole_store(bench: Bench) -> None:
    for _ in range(2):
        parent = await bench.running()
        await bench.hand.spawn(parent, [a_child(payload={"n": n}, limit=a_limit(at_once=3)) for n in range(5)])
    second = await Hand.start(bench.store)

    held = await bench.hand.take() + await second.take()

    assert len(held) == 3
    await bench.hand.end(*held[:2])
    assert len(await second.take()) == 2
    assert await bench.hand.take() == []


async def test_a_limit_frees_its_place_however_the_job_goes(bench: Bench) -> None:
    parent = await bench.running()
    await bench.hand.spawn(parent, [a_child(limit=a_limit(at_once=1), max_attempts=9)])
    for how in (How.UNTOUCHED, How.LOST, How.REFUNDED, How.FAILED, How.CANCELLED):
        [job] = await bench.hand.take()
        await bench.hand.end(job, how=how)
        bench.clock.move(400)
        await bench.hand.renew()

    [job] = await bench.hand.take()
    await bench.cancel(job.id)
    [another] = await bench.hand.spawn(parent, [a_child(payload={"n": 2}, limit=a_limit(at_once=1))])
    assert ids(await bench.hand.take()) == [another]


async def test_jobs_of_a_key_begin_apart(bench: Bench) -> None:
    parent = await bench.running()
    await bench.hand.spawn(
        parent, [a_child(payload={"n": n}, limit=a_limit(at_once=9, apart=500_000)) for n in range(3)]
    )

    assert len(await bench.hand.take()) == 1
    bench.clock.move(0.4)
    answer = await bench.hand.play(n=10)
    assert (answer.tasks, answer.next_due) == ([], bench.clock.now() + 100_000)
    bench.clock.move(0.1)
    assert len(await bench.hand.take()) == 1


async def test_jobs_of_a_key_begin_apart_even_if_one_ends_in_the_same_commit(bench: Bench) -> None:
    parent = await bench.running()
    await bench.hand.spawn(
        parent, [a_child(payload={"n": n}, limit=a_limit(at_once=2, apart=500_000)) for n in range(4)]
    )
    [first] = await bench.hand.take()
    bench.clock.move(1)

    await bench.together(bench.hand.taking(), bench.hand.telling(ended(first)))

    assert await bench.hand.take() == []
    bench.clock.move(0.5)
    assert len(await bench.hand.take()) == 1


async def test_one_claim_honours_a_key_shared_by_several_lanes(bench: Bench) -> None:
    for kind in ("work", "other"):
        parent = await bench.running()
        await bench.hand.spawn(parent, [a_child(kind, payload={"n": n}, limit=a_limit(at_once=2)) for n in range(4)])

    assert len(await bench.hand.take()) == 2


async def test_a_full_key_does_not_hold_up_the_others(bench: Bench) -> None:
    parent = await bench.running()
    await bench.hand.spawn(parent, [a_child(payload={"n": n}, limit=a_limit("a")) for n in range(3)])
    free = await bench.hand.spawn(parent, [a_child(payload={"free": n}) for n in range(2)])

    taken = ids(await bench.hand.take())

    assert len(taken) == 3
    assert set(free) < set(taken)


async def test_a_step_runs_no_more_of_its_jobs_at_once_than_its_limit(bench: Bench) -> None:
    await bench.definition(a_definition(a_step("a", limit=2), a_step("b")))
    a, b = await bench.hand.take()
    for step in (a, b):
        await bench.hand.spawn(step, [a_child(payload={"n": n}, limit=a_limit(f"h{n}", at_once=9)) for n in range(5)])
    await bench.hand.end(a, b)

    held = await bench.hand.take()
    of_a = [job for job in held if job.step_id == a.id]

    assert (len(of_a), len(held)) == (2, 7)
    await bench.hand.end(of_a[0])
    assert len(await bench.hand.take()) == 1


async def test_jobs_deep_below_a_step_count_for_its_limit(bench: Bench) -> None:
    await bench.definition(a_definition(a_step("a", limit=1)))
    [step] = await bench.hand.take()
    [child] = await bench.hand.spawn(step, [a_child()])
    await bench.hand.end(step)
    [job] = await bench.hand.take()
    [below] = await bench.hand.spawn(job, [a_child()])

    assert await bench.hand.take() == []
    await bench.hand.end(job)
    assert ids(await bench.hand.take()) == [below]
    assert job.id == child


async def test_a_worker_looks_again_at_once_for_a_place_that_was_passed_on(bench: Bench) -> None:
    root_id, _ = await bench.definition(a_definition(a_step("one", limit=1)))
    [step] = await bench.hand.take(root_id=root_id)
    other = await bench.running()
    await bench.hand.spawn(other, [a_child(limit=a_limit())])
    await bench.hand.spawn(step, [a_child()])
    busy = {job.root_id: job for job in await bench.hand.take()}
    await bench.hand.spawn(step, [a_child(payload={"first": 1}, limit=a_limit(), priority=5)])
    [second] = await bench.hand.spawn(other, [a_child(payload={"second": 1}, limit=a_limit())])
    assert (await bench.hand.play(n=5)).next_due == 0

    passed_on = await bench.hand.play([ended(busy[other.id])], n=5)
    then = await bench.hand.play(n=5)

    assert (passed_on.tasks, passed_on.next_due) == ([], bench.clock.now())
    assert ([task.job_id for task in then.tasks], then.next_due) == ([second], 0)
