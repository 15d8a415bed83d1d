"""Reading a journal by position looks at what it must and says how far it looked."""

import pytest

from quaero.domain.entries import Level
from quaero.storage import journalreads, offspring, stretches
from quaero.storage.port import EntryFilter
from quaero.testing import Bench
from quaero.testing.factories import a_child, a_definition, a_step

pytestmark = pytest.mark.anyio


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The blocks that were unpacked."""
    blocks: list[int] = []
    read = journalreads.segments

    def counted(db: object, root_id: int, first: int, block_id: int) -> object:
        blocks.append(block_id)
        return read(db, root_id, first, block_id)  # type: ignore[arg-type, return-value]

    monkeypatch.setattr(journalreads, "segments", counted)
    return blocks


async def talk(bench: Bench, commits: int) -> int:
    """A running root that says something in each of so many commits."""
    job = await bench.running()
    for n in range(commits):
        await bench.hand.say(job, f"line {n}", level=Level.ERROR if n == commits // 2 else Level.DEBUG)
    return job.id


async def test_a_page_opens_only_the_blocks_it_shows(bench: Bench, opened: list[int]) -> None:
    root_id = await talk(bench, 100)
    page = await bench.store.entries(root_id, EntryFilter(), after=50, limit=3)
    assert [entry.seq for entry in page.entries] == [51, 52, 53]
    assert len(opened) == 3


async def test_the_tail_opens_only_the_last_blocks(bench: Bench, opened: list[int]) -> None:
    root_id = await talk(bench, 100)
    page = await bench.store.entries(root_id, EntryFilter(), limit=2, descending=True)
    assert [entry.seq for entry in page.entries] == [page.head, page.head - 1]
    assert len(opened) == 2


async def test_blocks_without_the_level_are_not_opened(bench: Bench, opened: list[int]) -> None:
    root_id = await talk(bench, 100)
    page = await bench.store.entries(root_id, EntryFilter(level=Level.ERROR))
    assert [entry.message for entry in page.entries] == ["line 50"]
    assert page.scanned_to == page.head
    assert len(opened) == 1


async def test_stretches_of_long_lines_come_fewer_at_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await bench.running()
    for n in range(10):
        await bench.hand.say(job, f"{n} " * 500)
    monkeypatch.setattr(stretches, "MOST_BYTES", 2_500)
    seqs: list[int] = []
    pages = at = 0
    while (page := await bench.store.stretches(job.id, after=at)).to > at:
        assert sum(len(entry.message) for stretch in page.stretches for entry in stretch.entries()) < 4_000
        seqs += [entry.seq for stretch in page.stretches for entry in stretch.entries()]
        pages, at = pages + 1, page.to
    assert seqs == list(range(1, page.head + 1))
    assert pages > 3


@pytest.mark.parametrize("narrow", [0, 100_000])
@pytest.mark.parametrize("most", [0, 200_000])
async def test_some_children_are_read_however_many_there_may_be_and_however_little_is_remembered(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, narrow: int, most: int
) -> None:
    monkeypatch.setattr(offspring, "NARROW", narrow)
    monkeypatch.setattr(offspring, "MOST", most)
    parent, ids = await bench.family(6)
    children = await bench.hand.take(6, root_id=parent.id)
    await bench.hand.spawn(children[3], [a_child(payload={"deeper": 1})])
    [deeper] = await bench.hand.take(root_id=parent.id)
    for job in (*children, deeper, *children):
        await bench.hand.say(job, f"from {job.id}")
    wanted = EntryFilter(level=Level.INFO, job_id=parent.id, children=(ids[2], ids[3]))

    page = await bench.store.entries(parent.id, wanted)

    chosen = [job.id for job in (children[2], children[3])]
    assert [entry.job_id for entry in page.entries] == [*chosen, deeper.id, *chosen]
    assert page.scanned_to == page.head


async def test_the_blocks_of_other_children_are_not_opened(bench: Bench, opened: list[int]) -> None:
    parent, ids = await bench.family(50)
    for child in await bench.hand.take(50, root_id=parent.id):
        await bench.hand.say(child, "here")
        await bench.hand.end(child)
    wanted = EntryFilter(level=Level.INFO, job_id=parent.id, children=(ids[20], ids[22]))

    page = await bench.store.entries(parent.id, wanted, descending=True)

    assert [entry.job_id for entry in page.entries] == [ids[22], ids[21], ids[20]]
    assert len(opened) <= 8


async def test_what_is_outside_a_jobs_entries_is_not_opened(bench: Bench, opened: list[int]) -> None:
    parent, _ = await bench.family(30)
    [child] = await bench.hand.take(1)
    await bench.hand.say(child, "here")
    for n in range(50):
        await bench.hand.say(parent, f"elsewhere {n}")
    page = await bench.store.entries(parent.id, EntryFilter(job_id=child.id))
    assert [entry.message for entry in page.entries][-1] == "here"
    assert len(opened) <= 2


@pytest.mark.parametrize("descending", [False, True])
async def test_more_runs_than_are_looked_up_at_once_are_all_read(bench: Bench, descending: bool) -> None:
    root_id = await talk(bench, 2 * journalreads.RUNS_AT_ONCE + 5)
    page = await bench.store.entries(root_id, EntryFilter(), limit=100_000, descending=descending)
    numbers = [entry.seq for entry in page.entries]
    assert sorted(numbers) == list(range(1, page.head + 1))
    assert numbers == sorted(numbers, reverse=descending)


async def test_a_page_that_is_full_ends_at_its_last_entry(bench: Bench) -> None:
    root_id = await talk(bench, 10)
    page = await bench.store.entries(root_id, EntryFilter(), limit=4)
    assert page.scanned_to == page.entries[-1].seq == 4
    rest = await bench.store.entries(root_id, EntryFilter(), after=4)
    assert rest.scanned_to == rest.head
    beyond = await bench.store.entries(root_id, EntryFilter(), after=1_000)
    assert (beyond.entries, beyond.scanned_to) == ([], 1_000)


async def test_a_job_that_never_said_anything_has_no_entries(bench: Bench) -> None:
    parent, children = await bench.family(1)
    page = await bench.store.entries(parent.id, EntryFilter(job_id=children[0]))
    assert (page.entries, page.scanned_to) == ([], page.head)


async def test_entries_carry_the_names_of_their_steps(bench: Bench) -> None:
    root_id, ids = await bench.definition(a_definition(a_step("fetch")))
    [step] = await bench.hand.take(root_id=root_id)
    await bench.hand.spawn(step, [a_child()])
    [child] = await bench.hand.take(root_id=root_id)
    await bench.hand.say(child, "in a step")
    [entry] = await bench.entries(root_id, q="in a step")
    assert (entry.step, entry.step_id, entry.job_id) == ("fetch", ids["fetch"], child.id)
    assert {entry.step for entry in await bench.entries(root_id, job_id=root_id, below=False)} == {None}
