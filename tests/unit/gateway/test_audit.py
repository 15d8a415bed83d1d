"""The audit keeps every deed in order, as many as it may and as long as it may."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quaero.gateway.auth import audit
from quaero.gateway.auth.audit import Audit, Deed, forget_deeds, list_deeds

if TYPE_CHECKING:
    from quaero.storage.sqlstore import SqlStore

pytestmark = pytest.mark.anyio
DAY = 86_400_000_000


def a_deed(n: int, at: int = 0) -> Deed:
    return Deed(at, "token ci (k3vq7abc)", "192.0.2.9", "POST /api/jobs", str(n), 201)


@pytest.mark.parametrize("n", [0, 1, 9, 10, 123, 250])
async def test_every_deed_is_kept_in_order_however_many_come_at_once(store: SqlStore, n: int) -> None:
    book = Audit(store, DAY)
    for k in range(n):
        book.note(a_deed(k))
    await book.written()

    kept = await list_deeds(store, before=None, limit=1_000)

    assert [row.deed.target for row in reversed(kept)] == [str(k) for k in range(n)]
    assert all(row.deed == a_deed(int(row.deed.target)) for row in kept)


async def test_a_page_goes_on_below_the_one_before(store: SqlStore) -> None:
    book = Audit(store, DAY)
    for k in range(5):
        book.note(a_deed(k))
    await book.written()

    first = await list_deeds(store, before=None, limit=2)
    rest = await list_deeds(store, before=first[-1].id, limit=10)

    assert [row.deed.target for row in first + rest] == ["4", "3", "2", "1", "0"]


async def test_the_oldest_go_by_age_and_by_number(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now = await store.write(lambda ledger: ledger.now)
    book = Audit(store, DAY)
    for k in range(10):
        book.note(a_deed(k, at=now - 2 * DAY if k < 3 else now))
    await book.written()

    await store.write(forget_deeds, DAY)
    by_age = len(await list_deeds(store, before=None, limit=100))
    monkeypatch.setattr(audit, "MOST", 4)
    await store.write(forget_deeds, DAY)

    assert by_age == 7
    assert [row.deed.target for row in await list_deeds(store, before=None, limit=100)] == ["9", "8", "7", "6"]


async def test_what_cannot_be_kept_is_counted_and_told(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    book = Audit(store, DAY)
    await store.close()

    book.note(a_deed(1))
    await book.written()

    assert "1 entries of the audit are lost" in caplog.text
