"""No statement of a writer walks a whole table of jobs or journals, whatever the statistics say."""

import re
from collections.abc import Iterator

import pytest
from tests import postgres

from quaero.engine.lifecycle.cancel import cancel
from quaero.engine.lifecycle.removal import purge
from quaero.engine.lifecycle.retry import delete
from quaero.engine.lifecycle.workers import sweep_workers
from quaero.storage.port import Ledger
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.postgres.writer import _BEGIN
from quaero.storage.sqlstore import SqlStore
from quaero.testing import Bench, FakeClock
from quaero.testing.factories import a_child, a_definition, a_limit, a_step

pytestmark = pytest.mark.anyio
LARGE = ("job", "run", "block", "lane", "dependency", "document", "delivery")


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.fresh() as url:
        yield url


async def statements(url: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What a worker's life sends while it holds a transaction open for writing."""
    seen: set[str] = set()
    plainly = PostgresConnection._execute

    def noting(self: PostgresConnection, sql: bytes, params: object, *, binary: bool = False) -> object:
        seen.add(sql.decode())
        return plainly(self, sql, params, binary=binary)  # type: ignore[arg-type]

    monkeypatch.setattr(PostgresConnection, "_execute", noting)
    clock = FakeClock()
    async with SqlStore.open(url, clock=clock) as store:
        bench = await Bench.set_up(store, clock)
        parent, waited_for = await bench.family(20)
        await bench.hand.spawn(parent, [a_child(after=tuple(waited_for[:2])), a_child(key="k"), a_child(delay=5)])
        taken = await bench.hand.take(5)
        await bench.hand.begin(taken[0])
        await bench.hand.say(taken[0], "line")
        await bench.hand.play([], n=3, held=taken)
        await bench.hand.end(*taken)
        root_id, _ = await bench.definition(a_definition(a_step("a", limit=2), a_step("b", depends="a")))
        await bench.hand.take(10)
        await bench.cancel(root_id)
        await bench.store.write(cancel, parent.id)
        await bench.settle()
        lone = await bench.running()
        await bench.hand.end(lone)
        await bench.store.write(delete, lone.id)
        while await bench.store.write(purge):
            pass
        clock.move(30)
        await bench.store.write(sweep_workers)
    monkeypatch.undo()
    return {sql for sql in seen if re.match(r"\s*(with|select|insert|update|delete)\b", sql) and "pg_" not in sql}


def walks(db: PostgresConnection, sql: str) -> list[str]:
    """The whole tables that the plan for any parameters walks, and the joins that would."""
    unknown = ", ".join(["null"] * max((int(n) for n in re.findall(r"\$(\d+)", sql)), default=0))
    db.handle.execute(f"prepare looked_at as {sql}".encode())  # `explain (generic_plan)` came with PostgreSQL 16
    plan = db.handle.execute(f"explain execute looked_at{f'({unknown})' if unknown else ''}".encode()).fetchall()
    db.handle.execute("deallocate looked_at")
    return re.findall(
        rf"Seq Scan on (?:{'|'.join(LARGE)})\b.*|Hash Join.*|Merge Join.*", "\n".join(row[0] for row in plan)
    )


@pytest.mark.parametrize("statistics", ["none", "of a full table", "of an empty table"])
async def test_every_statement_of_a_writer_goes_by_an_index(
    url: str, monkeypatch: pytest.MonkeyPatch, statistics: str
) -> None:
    sent = await statements(url, monkeypatch)
    assert len(sent) > 40
    db = PostgresConnection(url)
    if statistics == "of an empty table":
        db.script("truncate job, lane, run, block; analyze")
    if statistics != "none":
        db.script(
            "insert into job(id, root_id, parent_id, kind, status) select n, 1, 1, 'work', 3"
            " from generate_series(1000000, 1020000) n"
        )
    if statistics == "of a full table":
        db.script("analyze")
    db.script(f"{_BEGIN}; set local plan_cache_mode = force_generic_plan")

    found = {sql: walked for sql in sorted(sent) if (walked := walks(db, sql))}

    db.close()
    assert found == {}


def rows_read(ledger: Ledger) -> int:
    """Rows of lanes and limits that this session has read."""
    read = "select sum(idx_tup_fetch + seq_tup_read) from pg_stat_xact_user_tables where relname in ('lane', 'limits')"
    return int(ledger.rows(read)[0][0])


async def test_a_claim_does_not_read_what_rests(url: str) -> None:
    clock = FakeClock()
    async with SqlStore.open(url, clock=clock) as store:
        bench = await Bench.set_up(store, clock)
        parent = await bench.running()
        busy = [a_child(payload={"n": n}, limit=a_limit(f"h{n % 1_000}", apart=60_000_000)) for n in range(2_000)]
        await bench.hand.spawn(parent, busy)
        assert len(await bench.hand.take()) == 1_000
        await bench.hand.spawn(parent, [a_child()])

        def claim(ledger: Ledger) -> tuple[int, int]:
            before = rows_read(ledger)
            taken = ledger.claim(bench.hand.want(20), bench.hand.worker_id, lambda job: True)
            return len(taken), rows_read(ledger) - before

        taken, read = await store.write(claim)

    assert taken == 1
    assert 0 < read <= 20
