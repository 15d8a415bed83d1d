"""Workers and gateways need no more rights than the how-to gives them."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from tests import postgres

from quaero.domain.errors import StoreUnavailable
from quaero.storage.doctor import examine
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock

pytestmark = pytest.mark.anyio
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "grow-to-postgresql.md"


def as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


@pytest.fixture
def roles() -> Iterator[tuple[str, str]]:
    """A database with the roles of the how-to under names of their own: its DSN, and what the names begin with."""
    mark = f"q{secrets.token_hex(4)}"
    [grants] = re.findall(r"```sql\n(create role.*?)```", HOW_TO.read_text(), re.S)
    with psycopg.connect(postgres.server(), autocommit=True) as db:
        db.execute(f"create database {mark}".encode())
    url = postgres.database(mark)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(re.sub(r"quaero_(\w+)", rf"{mark}_\1", grants).encode())
        db.execute(f"alter schema public owner to {mark}_owner".encode())
    yield url, mark
    with psycopg.connect(postgres.server(), autocommit=True) as db:
        db.execute(f"drop database {mark} with (force)".encode())
        db.execute(f"drop role {mark}_owner, {mark}_run, {mark}_read".encode())


async def test_a_worker_runs_with_the_rights_of_the_how_to(roles: tuple[str, str]) -> None:
    url, mark = roles
    with pytest.raises(StoreUnavailable, match="may not do that"):
        SqlStore.open(as_role(url, f"{mark}_run"))
    await SqlStore.open(as_role(url, f"{mark}_owner")).close()

    clock = FakeClock()
    async with SqlStore.open(as_role(url, f"{mark}_run"), clock=clock) as store:
        bench = await Bench.set_up(store, clock)
        parent, _ = await bench.family(5)
        await bench.hand.end(parent)
        assert len(await bench.finish()) == 5
        while await store.tidy(1):
            pass

    reader = PostgresConnection(as_role(url, f"{mark}_read"))
    assert examine(reader, clock.now()) == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.run("delete from job")
    reader.close()
