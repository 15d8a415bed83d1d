"""A rolling restart into a newer schema: the old version's workers go on beside the new ones, and nothing is lost."""

import os
import shutil
from functools import partial
from pathlib import Path

import pytest
from tests.chaos.harness.stage import staged
from tests.chaos.harness.system import TOP, source_tree
from tests.chaos.harness.workload import Workload
from tests.integration.program import wait_for

pytestmark = pytest.mark.anyio
# What a later version may do while an earlier one runs: add, never take away or rename.
MIGRATED = "select 1 from migration where name = '0002_next.sql'"
NEXT = """
alter table job add column flavour text;
alter table lane add column weight bigint not null default 1;
alter table worker add column version text not null default '';
alter table run add column codec bigint not null default 0;
create table flavour(name text primary key);
"""


def next_version(place: Path) -> Path:
    """The program with one migration more."""
    source = place / "next"
    shutil.copytree(source_tree(), source, ignore=shutil.ignore_patterns("__pycache__"))
    for dialect in ("sqlite", "postgres"):
        (source / "quaero" / "storage" / "migrations" / dialect / "0002_next.sql").write_text(NEXT)
    return source


async def test_a_rolling_restart_into_a_newer_schema_loses_nothing(store_url: str | None, tmp_path: Path) -> None:
    path = os.pathsep.join([str(next_version(tmp_path)), str(TOP)])
    async with staged(tmp_path, url=store_url, lease=4.0, heartbeat=0.5, grace=2.0) as stage:
        old = [stage.system.start(["work"]) for _ in range(2)]
        await stage.ready()
        load = Workload(stage.store, seed=9, width=8, leaves=20, work=0.2)
        stage.accepted = load.accepted
        await load.plant(2)
        await stage.begun(load.accepted[0])
        for leaving in old:
            stage.system.start(["work"], PYTHONPATH=path)
            await stage.until(partial(stage.store.rows, MIGRATED), "the newer schema is there")
            await load.plant(1)
            leaving.terminate()
            assert wait_for(lambda one=leaving: one.poll() is not None, "it drained") is True  # type: ignore[misc]
            stage.system.forget(leaving)
        await load.plant(1)
        await stage.quiet()

        verdict = stage.judge()
        assert not verdict.faults, verdict.faults[:5]
        assert [one.poll() for one in old] == [0, 0]
