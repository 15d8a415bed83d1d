"""Looking after a store: doctor, backup, restore."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Hand, Prepare, Quaero


async def a_parent_with_children(hand: Hand) -> int:
    root = await hand.submit("parent")
    (job,) = await hand.take()
    await hand.begin(job, "hello")
    await hand.spawn(job, 3)
    await hand.finish(job)
    return root


def spoil(path: Path, sql: str) -> None:
    db = apsw.Connection(str(path))
    db.execute(sql)
    db.close()


def test_a_store_in_order_is_clean_and_exit_0(quaero: Quaero, prepare: Prepare[Any]) -> None:
    prepare(a_parent_with_children)

    said = quaero("doctor")

    assert (said.code, said.out) == (0, "")
    assert "clean" in said.err


def test_a_wrong_tally_is_found_with_exit_1_and_repaired(quaero: Quaero, prepare: Prepare[Any], tmp_path: Path) -> None:
    root = prepare(a_parent_with_children)
    spoil(tmp_path / "q.db", f"update job set n_pending = 7 where id = {root}")

    found = quaero("doctor", "--json")
    repaired = quaero("doctor", "--repair")

    assert found.code == 1
    assert ("I5", f"job {root}") in [(one["invariant"], one["subject"]) for one in json.loads(found.out)]
    assert repaired.code == 0
    assert quaero("doctor").code == 0


def test_a_backup_restores_as_a_new_life_with_the_same_jobs(
    quaero: Quaero, prepare: Prepare[Any], tmp_path: Path
) -> None:
    root = prepare(a_parent_with_children)
    log = quaero("logs", str(root)).out

    async def incarnation(hand: Hand) -> str:
        return hand.store.incarnation

    before = prepare(incarnation)
    saved = quaero("backup", "saved.db")
    lost = quaero("submit", "fetch").out.strip()
    refused = quaero("restore", "saved.db")
    restored = quaero("restore", "saved.db", "--replace")
    again = quaero("submit", "fetch").out.strip()

    assert (saved.code, refused.code, restored.code) == (0, 2, 0)
    assert "--replace" in refused.err
    assert quaero("logs", str(root)).out == log
    assert quaero("show", lost).code == 2
    assert int(again) > int(lost)  # ids are never given twice
    assert prepare(incarnation) != before
    assert list(tmp_path.glob("q.db.before-*"))
    assert quaero("doctor").code == 0


def test_a_backup_overwrites_nothing(quaero: Quaero, prepare: Prepare[Any], tmp_path: Path) -> None:
    prepare(a_parent_with_children)
    (tmp_path / "mine.txt").write_text("precious")

    assert quaero("backup", "mine.txt").code == 2
    assert (tmp_path / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_what_is_no_backup_is_refused_and_the_store_stays(
    quaero: Quaero, prepare: Prepare[Any], tmp_path: Path, content: bytes
) -> None:
    root = prepare(a_parent_with_children)
    (tmp_path / "bad.db").write_bytes(content)

    said = quaero("restore", "bad.db", "--replace")

    assert said.code in (2, 4)
    assert quaero("show", str(root)).code == 0


def test_a_store_with_a_living_worker_is_not_replaced(quaero: Quaero, prepare: Prepare[Any], tmp_path: Path) -> None:
    prepare(a_parent_with_children)
    quaero("backup", "saved.db")
    spoil(tmp_path / "q.db", "update worker set lease_until = 1e17")

    said = quaero("restore", "saved.db", "--replace")

    assert said.code == 2
    assert "stop it" in said.err
