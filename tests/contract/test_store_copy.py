"""A store grows from a file to PostgreSQL with one command, and nothing about it changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import postgres

from quaero.domain.errors import Conflict, InvalidInput, NotFound
from quaero.domain.facts import How
from quaero.keeping import copy
from quaero.storage.port import EntryFilter, JobFilter
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock
from quaero.testing.factories import a_child, a_document, a_limit, an_error, ended

pytestmark = pytest.mark.anyio


@pytest.fixture
def target() -> Iterator[str]:
    with postgres.fresh() as url:
        yield url


async def lived_in(url: str) -> None:
    """A tree with failures, documents, limits, lines and work still to do."""
    clock = FakeClock()
    async with SqlStore.open(url, clock=clock) as store:
        bench = await Bench.set_up(store, clock)
        parent, _ = await bench.family(5)
        await bench.hand.spawn(parent, [a_child(payload={"n": n}, limit=a_limit("host", 2)) for n in range(4)])
        jobs = await bench.hand.take(4)
        await bench.hand.say(jobs[0], "with \0 in it", "é")
        await bench.hand.tell(
            ended(jobs[0], documents=[a_document("Rust", "a crab on a beach")]),
            ended(jobs[1], How.FAILED, error=an_error("odd", final=True)),
        )
        await bench.hand.leave()


async def test_a_copy_has_everything_and_goes_on(tmp_path: Path, target: str) -> None:
    source = f"sqlite:///{tmp_path}/quaero.db"
    await lived_in(source)
    told: list[str] = []

    assert copy(source, target, told.append) == 10

    clock = FakeClock()
    async with SqlStore.open(source, clock=clock) as old, SqlStore.open(target, clock=clock) as new:
        assert new.incarnation == old.incarnation
        page = await old.jobs(JobFilter(descending=False), limit=100)
        assert (await new.jobs(JobFilter(descending=False), limit=100)).jobs == page.jobs
        root_id = page.jobs[0].root_id
        entries = (await old.entries(root_id, EntryFilter())).entries
        assert (await new.entries(root_id, EntryFilter())).entries == entries
        assert [found.title for found in await new.documents(q="crab")] == ["Rust"]
        assert await new.errors(root_id) == await old.errors(root_id)
        assert (await new.stats()).counts == (await old.stats()).counts
        bench = await Bench.set_up(new, clock)
        done = await bench.finish()
        assert {job.id for job in done} < {job.id for job in page.jobs}
        assert await bench.root() > max(job.id for job in page.jobs)
    assert any(line.startswith("job: 11 rows") for line in told)


async def test_what_holds_jobs_is_not_copied_over(tmp_path: Path, target: str) -> None:
    source = f"sqlite:///{tmp_path}/quaero.db"
    await lived_in(source)
    copy(source, target, lambda line: None)

    with pytest.raises(Conflict, match="holds jobs already"):
        copy(source, target, lambda line: None)


async def test_only_a_file_is_copied_and_only_to_postgresql(tmp_path: Path, target: str) -> None:
    with pytest.raises(InvalidInput):
        copy(target, f"sqlite:///{tmp_path}/quaero.db", lambda line: None)
    with pytest.raises(NotFound):
        copy(f"sqlite:///{tmp_path}/nowhere.db", target, lambda line: None)


async def test_nothing_is_copied_while_a_worker_runs(tmp_path: Path, target: str) -> None:
    async with SqlStore.open(f"sqlite:///{tmp_path}/quaero.db") as store:
        await Bench.set_up(store, FakeClock())
        with pytest.raises(Conflict, match="a worker runs"):
            copy(f"sqlite:///{tmp_path}/quaero.db", target, lambda line: None)
