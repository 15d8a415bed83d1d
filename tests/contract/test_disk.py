"""A disk whose power goes or whose space runs out, at random and at every single write: what was answered is there.

The store is the real one; only the disk below it is played (`quaero.testing.vfs`).
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from random import Random

import apsw
import pytest

from quaero.domain.errors import Conflict, StoreFull, StoreUnavailable
from quaero.domain.facts import How
from quaero.domain.job import Job
from quaero.domain.status import JobStatus as S
from quaero.engine.lifecycle.definitions import run_definition
from quaero.storage import sqlite
from quaero.storage.doctor import examine
from quaero.storage.port import EntryFilter, Ledger, Store
from quaero.storage.space import Space
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock
from quaero.testing.factories import a_child, a_definition, a_root, began, spawned
from quaero.testing.vfs import FrailDisk, checkpoint_every

Move = Callable[[], Awaitable[None]]
NUMBERS = itertools.count()
PAGES = 25  # in the log before a checkpoint: some in every history
LENGTH = 60  # moves of a history that a power cut ends
WITHIN = 900  # changes of the disk from its beginning: about what it takes


@contextlib.contextmanager
def a_disk() -> Iterator[FrailDisk]:
    disk = FrailDisk(f"frail-{next(NUMBERS)}")
    usual = sys.unraisablehook

    def report(unraisable: "sys.UnraisableHookArgs") -> None:
        # a second failure while SQLite tidies up after the first: apsw can tell it only here, and it was ordered
        if not isinstance(unraisable.exc_value, apsw.FullError | apsw.IOError):
            usual(unraisable)

    sys.unraisablehook = report
    try:
        yield disk
    finally:
        sys.unraisablehook = usual
        disk.unregister()


@pytest.fixture
def disk() -> Iterator[FrailDisk]:
    with a_disk() as disk:
        yield disk


@contextlib.contextmanager
def a_folder(parent: Path, name: int) -> Iterator[Path]:
    """A folder that goes when all went well: every store takes its ballast, and there are many."""
    folder = parent / str(name)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def often_checkpointed(monkeypatch: pytest.MonkeyPatch) -> None:
    tune(monkeypatch, "full")


def tune(monkeypatch: pytest.MonkeyPatch, synchronous: str) -> None:
    """Let stores on a frail disk checkpoint often, and sync less than they do if that is asked for."""
    usual = sqlite.connect

    def connect(path: Path, *, vfs: str | None = None, readonly: bool = False) -> sqlite.SqliteConnection:
        db = usual(path, vfs=vfs, readonly=readonly)
        if vfs is not None:
            checkpoint_every(db.handle, PAGES)
            if synchronous != "full":
                db.handle.execute(f"pragma synchronous = {synchronous}")
        return db

    monkeypatch.setattr(sqlite, "connect", connect)


class History:
    """Moves of clients and one worker by chance, and what the store answered: jobs, ends and lines."""

    def __init__(self, bench: Bench, rng: Random) -> None:
        self.bench = bench
        self.rng = rng
        self.held: list[Job] = []
        self.jobs: set[int] = set()
        self.ends: dict[int, S] = {}
        self.lines: dict[int, set[str]] = {}
        self._said = itertools.count()

    def choose(self) -> Move:
        """One move, to be tried until it is done."""
        if not self.held or self.rng.random() < 0.3:
            return self._enqueue() if self.rng.random() < 0.5 else self._take()
        moves = [self._say, self._say, self._spawn, self._spawn, self._end, self._end, self._end, self._cancel]
        return self.rng.choice(moves)()

    async def look(self) -> None:
        """Remember the ends the store shows."""
        for job in await self.bench.store.jobs_by_id(sorted(self.jobs)):
            if S(job.status).is_terminal:
                self.ends[job.id] = S(job.status)

    def _enqueue(self) -> Move:
        n, attempts = self.rng.randint(1, 3), self.rng.choice((1, 3))

        async def move() -> None:
            first = await self.bench.root(*[a_root(max_attempts=attempts)] * n)
            self.jobs.update(range(first, first + n))

        return move

    def _take(self) -> Move:
        n = self.rng.randint(1, 3)

        def taken_and_begun(ledger: Ledger) -> list[Job]:
            jobs = self.bench.hand.taking(n)(ledger)
            self.bench.hand.telling(*map(began, jobs))(ledger)
            return jobs

        async def move() -> None:
            self.held += await self.bench.store.write(taken_and_begun)

        return move

    def _say(self) -> Move:
        job, message = self.rng.choice(self.held), f"line {next(self._said)}"

        async def move() -> None:
            if not (await self.bench.hand.say(job, message)).stale:
                self.lines.setdefault(job.root_id, set()).add(message)

        return move

    def _spawn(self) -> Move:
        job = self.rng.choice(self.held)
        fact = spawned(job, [a_child(max_attempts=1) for _ in range(self.rng.randint(1, 4))], next(self._said))

        async def move() -> None:
            [answer] = (await self.bench.hand.tell(fact)).answers
            self.jobs.update(answer.ids)

        return move

    def _end(self) -> Move:
        job, how = self.rng.choice(self.held), self.rng.choice([How.COMPLETED] * 4 + [How.FAILED, How.CANCELLED])

        async def move() -> None:
            await self.bench.hand.end(job, how=how)
            self.held.remove(job)

        return move

    def _cancel(self) -> Move:
        job_id = self.rng.choice(sorted(self.jobs))

        async def move() -> None:
            try:
                await self.bench.cancel(job_id)
            except Conflict:  # it has ended
                return

        return move

    async def losses(self, store: Store) -> list[str]:
        """What was answered and is not in this store."""
        there = {job.id: S(job.status) for job in await store.jobs_by_id(sorted(self.jobs))}
        lost = [f"job {job_id} is gone" for job_id in self.jobs - there.keys()]
        for job_id, status in self.ends.items():
            if there.get(job_id, status) != status:
                lost.append(f"job {job_id} was {status.word} and is {there[job_id].word}")
        for root_id, messages in self.lines.items():
            page = await store.entries(root_id, EntryFilter(), limit=100_000)
            lost += [f"{message!r} is gone" for message in messages - {entry.message for entry in page.entries}]
        return lost


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/quaero.db"


async def begin(folder: Path, disk: FrailDisk, seed: int) -> History:
    clock = FakeClock()
    store = SqlStore.open(url(folder), clock=clock, vfs=disk.name, rng=Random(seed))
    return History(await Bench.set_up(store, clock), Random(seed))


async def problems_after_reopening(folder: Path, history: History) -> list[str]:
    """What is lost or broken in the files, seen by a plain store, which must also go on working."""
    clock = history.bench.clock
    async with SqlStore.open(url(folder), clock=clock) as store:
        problems = await history.losses(store)
        bench = await Bench.set_up(store, clock)
        await bench.finish()
        assert S((await bench.job(await bench.root())).status) is S.PENDING
    return problems + doctored(folder, clock)


def doctored(folder: Path, clock: FakeClock) -> list[str]:
    db = sqlite.connect(folder / "quaero.db")
    found = [str(finding) for finding in examine(db, clock.now())]
    db.handle.close()
    return found


async def cut_short(folder: Path, seed: int, *, chance: bool) -> list[str]:
    """Live a history until the power goes at some moment of it; what is lost or broken then."""
    with a_disk() as disk:
        history = await begin(folder, disk, seed)
        moment = Random(f"cut {seed}")
        disk.cut_after(moment.randint(1, WITHIN))
        with contextlib.suppress(StoreUnavailable):
            for _ in range(LENGTH):
                await history.choose()()
                await history.look()
        disk.power_cut(moment if chance else None)
        await history.bench.store.close()
    return await problems_after_reopening(folder, history)


@pytest.mark.anyio
@pytest.mark.parametrize("chance", [False, True], ids=["all that was unsynced is lost", "some of it survives"])
async def test_a_power_cut_at_any_moment_loses_nothing_that_was_answered(tmp_path: Path, chance: bool) -> None:
    for seed in range(chance, 100, 2):
        with a_folder(tmp_path, seed) as folder:
            assert await cut_short(folder, seed, chance=chance) == [], f"seed {seed}"


@pytest.mark.anyio
async def test_a_store_that_syncs_less_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tune(monkeypatch, "normal")
    lost: list[str] = []
    for seed in range(6):
        with a_folder(tmp_path, seed) as folder:
            lost += await cut_short(folder, seed, chance=False)
    assert any(problem.startswith("job") and problem.endswith("is gone") for problem in lost)


def open_files(folder: Path) -> list[str]:
    links = [Path(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    targets = [os.readlink(link) for link in links if link.is_symlink()]
    return [target for target in targets if target.startswith(f"{folder}/")]


async def made(folder: Path, disk: FrailDisk, failure: type[Exception]) -> bool:
    """Whether a store can be made; if it fails like this, nothing of it may stay open."""
    try:
        store = SqlStore.open(url(folder), vfs=disk.name)
    except failure:
        assert open_files(folder) == []
        return False
    disk.power_cut()
    await store.close()
    return True


@pytest.mark.anyio
async def test_a_power_cut_while_a_store_is_being_made_leaves_one_that_can_be_made(tmp_path: Path) -> None:
    for moment in itertools.count(1, 4):
        with a_folder(tmp_path, moment) as folder, a_disk() as disk:
            disk.cut_after(moment)
            if await made(folder, disk, StoreUnavailable):
                break
            disk.power_cut(Random(moment))
            async with SqlStore.open(url(folder), clock=FakeClock()) as store:
                await Bench.set_up(store, FakeClock())
            assert doctored(folder, FakeClock()) == []
    assert moment > 50


@pytest.mark.anyio
async def test_a_disk_full_while_a_store_is_being_made_says_so(tmp_path: Path) -> None:
    for n in itertools.count(1, 4):
        with a_folder(tmp_path, n) as folder, a_disk() as disk:
            disk.full_after(n)
            if await made(folder, disk, StoreFull):
                break
            disk.free()
            async with SqlStore.open(url(folder), clock=FakeClock(), vfs=disk.name) as store:
                await Bench.set_up(store, FakeClock())
            assert doctored(folder, FakeClock()) == []
    assert n > 50


async def try_at_every_write(history: History, disk: FrailDisk, move: Move) -> int:
    """Have a move refused at its first write, its second, and so on until it needs no more; how often that was."""
    for n in itertools.count(1):
        disk.full_after(n)
        try:
            await move()
        except StoreFull:
            assert await history.losses(history.bench.store) == []
        else:
            return n - 1
        finally:
            disk.free()
    raise AssertionError("unreachable")


@pytest.mark.anyio
async def test_a_disk_full_at_any_single_write_refuses_that_write_and_harms_nothing(
    tmp_path: Path, disk: FrailDisk
) -> None:
    history = await begin(tmp_path, disk, 7)
    refused = []
    for _ in range(60):
        refused.append(await try_at_every_write(history, disk, history.choose()))
        await history.look()
    assert sum(refused) > 500
    await history.bench.store.close()
    assert await problems_after_reopening(tmp_path, history) == []


async def first_refused(history: History) -> Move:
    while True:
        move = history.choose()
        try:
            await move()
        except StoreFull:
            return move
        await history.look()


@pytest.mark.anyio
async def test_a_disk_that_stays_full_refuses_everything_until_there_is_space_again(tmp_path: Path) -> None:
    for n in range(1, 900, 90):
        with a_folder(tmp_path, n) as folder, a_disk() as disk:
            history = await begin(folder, disk, n)
            disk.full_after(n)
            refused = await first_refused(history)
            for move in (history.bench.root, refused):
                with pytest.raises(StoreFull):
                    await move()
            assert await history.losses(history.bench.store) == []
            disk.free()
            await refused()
            await history.bench.store.close()
            assert await problems_after_reopening(folder, history) == []


@pytest.mark.anyio
async def test_the_ballast_saves_what_runs_when_the_disk_is_full(
    tmp_path: Path, disk: FrailDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = await begin(tmp_path, disk, 1)
    bench = history.bench
    parent, children = await bench.family(3)
    ballast = tmp_path / "quaero.db.ballast"
    assert ballast.exists()
    monkeypatch.setattr(Space, "free", lambda self: 0)
    disk.full_after(1, ballast)
    await bench.hand.end(parent)
    assert not ballast.exists()
    await bench.hand.drain()
    assert await bench.statuses([parent.id, *children]) == [S.COMPLETED] * 4
    with pytest.raises(StoreFull, match="no new work is accepted"):
        await bench.root()
    monkeypatch.undo()
    disk.free()
    assert await bench.status(await bench.root()) is S.PENDING
    assert ballast.exists()
    await bench.store.close()
    assert doctored(tmp_path, bench.clock) == []


@pytest.mark.anyio
async def test_below_the_low_water_mark_new_trees_are_refused_and_running_ones_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    async with SqlStore.open(url(tmp_path), clock=clock) as store:
        bench = await Bench.set_up(store, clock)
        parent = await bench.running()
        monkeypatch.setattr(Space, "free", lambda self: 1_000_000)
        with pytest.raises(StoreFull, match="no new work is accepted"):
            await bench.root()
        with pytest.raises(StoreFull, match="no new work is accepted"):
            await store.write(run_definition, a_definition())
        children = await bench.hand.spawn(parent, [a_child(), a_child()])
        await bench.hand.say(parent, "on it")
        await bench.hand.end(parent)
        await bench.hand.drain()
        assert await bench.statuses([parent.id, *children]) == [S.COMPLETED] * 3
        assert "on it" in [entry.message for entry in await bench.entries(parent.id)]
        monkeypatch.undo()
        assert await bench.status(await bench.root()) is S.PENDING
    assert doctored(tmp_path, clock) == []


@pytest.mark.anyio
async def test_a_disk_that_hangs_in_a_sync_is_seen_from_outside(tmp_path: Path, disk: FrailDisk) -> None:
    history = await begin(tmp_path, disk, 1)
    store = history.bench.store
    assert isinstance(store, SqlStore)
    disk.delay = 200
    write = asyncio.create_task(history.bench.root())
    seen = 0.0
    while not write.done():
        seen = max(seen, store.stalled)
        await asyncio.sleep(0)
    assert seen > 0
    assert await history.bench.status(await write) is S.PENDING
    await store.close()
