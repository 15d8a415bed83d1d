"""Definitions become trees in one transaction, and drive themselves from then on."""

import msgspec
import pytest

from quaero.domain.definitions import StepDefinition
from quaero.domain.errors import UnknownKind
from quaero.domain.status import JobStatus as S
from quaero.domain.tally import Tally
from quaero.engine.lifecycle.catalogue import forget_definitions, save_definition
from quaero.engine.lifecycle.definitions import KIND, fire, run_definition
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_definition, a_step, began

pytestmark = pytest.mark.anyio


async def test_root_and_steps_are_there_at_once_in_the_order_of_the_file(bench: Bench) -> None:
    steps = (a_step("z"), a_step("a", depends="z"), a_step("m", depends="z,a"))

    root_id, ids = await bench.definition(a_definition(*steps))

    root = await bench.job(root_id)
    assert (root.kind, root.definition, root.name, root.status) == (KIND, "news", "News", S.PENDING)
    assert root.tally == Tally(pending=3)
    assert root.below == Tally()
    assert list(ids) == ["z", "a", "m"]
    assert [(await bench.job(i)).blocked_by for i in ids.values()] == [0, 1, 2]
    assert [(await bench.job(i)).step_id for i in ids.values()] == list(ids.values())


async def test_a_root_without_a_function_is_never_given_to_a_worker(bench: Bench) -> None:
    root_id, ids = await bench.definition(a_definition())

    assert [job.id for job in await bench.hand.take(kinds=["work", KIND])] == list(ids.values())
    assert await bench.status(root_id) == S.PENDING


async def test_the_tree_starts_with_the_first_step_that_begins(bench: Bench) -> None:
    root_id, _ = await bench.definition(a_definition())
    [step] = await bench.hand.take()
    bench.clock.move(3)
    at = bench.clock.now()
    bench.clock.move(1)

    await bench.hand.tell(began(step, at))

    root = await bench.job(root_id)
    assert (root.status, root.started_at) == (S.WAITING, at)


async def test_steps_run_as_soon_as_what_they_wait_for_is_done(bench: Bench) -> None:
    steps = (a_step("a"), a_step("b", depends="a"), a_step("c", depends="a"), a_step("d", depends="b,c"))
    root_id, ids = await bench.definition(a_definition(*steps))
    names = {job_id: name for name, job_id in ids.items()}

    waves = []
    while jobs := await bench.hand.take():
        waves.append({names[job.id] for job in jobs})
        await bench.hand.end(*jobs)

    assert waves == [{"a"}, {"b", "c"}, {"d"}]
    assert await bench.status(root_id) == S.COMPLETED


async def test_a_step_waits_for_all_that_the_one_before_had_spawned(bench: Bench) -> None:
    _, ids = await bench.definition(a_definition(a_step("a"), a_step("b", depends="a")))
    [a] = await bench.hand.take()
    await bench.hand.spawn(a, [a_child()])
    await bench.hand.end(a)
    [child] = await bench.hand.take()

    await bench.hand.end(child)

    assert [job.id for job in await bench.hand.take()] == [ids["b"]]


async def test_a_step_gets_its_payload_and_the_defaults_of_its_kind(bench: Bench) -> None:
    step = StepDefinition(name="a", kind="work", payload={"urls": ["https://a/"], "depth": 2})

    _, ids = await bench.definition(a_definition(step))

    job = await bench.job(ids["a"])
    assert msgspec.json.decode(job.payload) == {"urls": ["https://a/"], "depth": 2}
    assert job.max_attempts == 3


async def test_a_definition_with_kinds_nobody_knows_is_refused_by_name(bench: Bench) -> None:
    definition = a_definition(a_step("a", "zeta"), a_step("b"), a_step("c", "alpha"))

    with pytest.raises(UnknownKind, match="'news' cannot run: no worker has ever announced 'alpha', 'zeta'"):
        await bench.definition(definition)

    assert (await bench.store.stats()).counts.total == 0


async def test_a_definition_runs_once_for_each_key(bench: Bench) -> None:
    first = await bench.store.write(run_definition, a_definition(), "tick-1")
    same = await bench.store.write(run_definition, a_definition(), "tick-1")
    other = await bench.store.write(run_definition, a_definition(), "tick-2")

    assert same == first
    assert other != first


async def test_a_tick_of_a_schedule_fires_once_however_many_try(bench: Bench) -> None:
    definition = a_definition()
    await bench.store.write(save_definition, definition, "file", "{}", 1_000)

    fired = await bench.together(*[lambda ledger: fire(ledger, definition, 1_000, 2_000)] * 3)
    late = await bench.store.write(fire, definition, 1_000, 2_000)

    assert [job_id is not None for job_id in fired] == [True, False, False]
    assert late is None
    assert await bench.store.rows("select next_at from definition") == [(2_000,)]


async def test_saving_a_definition_again_keeps_its_next_tick_unless_the_schedule_changed(bench: Bench) -> None:
    await bench.store.write(save_definition, a_definition(), "file", "one", 1_000)
    await bench.store.write(save_definition, a_definition(), "file", "two", 5_000)
    assert await bench.store.rows("select body, next_at from definition") == [("two", 1_000)]

    changed = msgspec.structs.replace(a_definition(), schedule="* * * * *")
    await bench.store.write(save_definition, changed, "file", "three", 7_000)
    assert await bench.store.rows("select body, next_at from definition") == [("three", 7_000)]


async def test_a_definition_that_cannot_run_is_kept_with_the_reason(bench: Bench) -> None:
    await bench.store.write(save_definition, a_definition(a_step("a", "nobody")), "file", "{}")

    [(problem,)] = await bench.store.rows("select problem from definition")

    assert problem.startswith("no worker has ever announced 'nobody'")


async def test_definitions_whose_file_is_gone_are_forgotten(bench: Bench) -> None:
    for name, source in (("a", "dir"), ("b", "dir"), ("c", "api")):
        definition = msgspec.structs.replace(a_definition(), id=name)
        await bench.store.write(save_definition, definition, source, "{}")

    assert await bench.store.write(forget_definitions, "dir", ["a"]) == 1

    assert await bench.store.rows("select id from definition order by id") == [("a",), ("c",)]
