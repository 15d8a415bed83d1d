"""Tokens, sessions and the audit are the same on both stores, and so is the client on them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests import postgres

from quaero.client import AsyncClient
from quaero.clock import SystemClock
from quaero.domain.access import Access, new_key
from quaero.domain.errors import NotFound
from quaero.engine.lifecycle.workers import announce
from quaero.engine.protocol import KindInfo, Sort
from quaero.gateway.auth.audit import Audit, Deed, forget_deeds, list_deeds
from quaero.gateway.auth.credentials import Credentials
from quaero.gateway.auth.limits import Limits
from quaero.gateway.auth.tokens import add_token, has_token, list_tokens, revoke_token
from quaero.storage.sqlstore import SqlStore

pytestmark = pytest.mark.anyio
HOUR = 3_600_000_000


@pytest.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/q.db"
    else:
        with postgres.fresh() as dsn:
            yield dsn


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    async with SqlStore.open(url) as opened:
        yield opened


async def test_a_token_opens_the_door_until_it_is_revoked_and_its_session_with_it(store: SqlStore) -> None:
    clock, key = SystemClock(), new_key("qk")
    credentials = Credentials(store, clock, Limits())
    assert not await has_token(store, clock.now())
    await store.write(add_token, key, "ann", Access.OPERATOR, HOUR)

    holder = await credentials.principal(key.text, "qk")
    session = await credentials.log_in(key.text, HOUR)
    assert session is not None
    browser = await credentials.principal(session[0].text, "qs")
    await store.write(revoke_token, key.id)
    await credentials.look()

    assert holder is not None
    assert browser is not None
    assert (holder.access, browser.access) == (Access.OPERATOR, Access.OPERATOR)
    assert holder.is_closed
    assert browser.is_closed
    assert await credentials.principal(key.text, "qk") is None
    assert await credentials.principal(session[0].text, "qs") is None
    assert not await has_token(store, clock.now())
    assert [(row.name, row.access, row.used_at > 0) for row in await list_tokens(store)] == [
        ("ann", Access.OPERATOR, False)
    ]
    await credentials.close()


async def test_use_is_remembered_and_a_logout_ends_only_its_session(store: SqlStore) -> None:
    key = new_key("qk")
    credentials = Credentials(store, SystemClock(), Limits())
    await store.write(add_token, key, "ann", Access.VIEWER, 0)
    session = await credentials.log_in(key.text, HOUR)
    assert session is not None
    assert await credentials.principal(session[0].text, "qs") is not None

    await credentials.look()
    await credentials.log_out(session[0].text)

    assert (await list_tokens(store))[0].used_at > 0
    assert await credentials.principal(session[0].text, "qs") is None
    assert await credentials.principal(key.text, "qk") is not None
    with pytest.raises(NotFound):
        await store.write(revoke_token, "nothing1")
    await credentials.close()


async def test_the_audit_is_kept_read_and_trimmed(store: SqlStore) -> None:
    book = Audit(store, HOUR)
    for n in range(112):
        book.note(Deed(n, "loopback", "127.0.0.1", "POST /api/jobs", str(n), 201))
    await book.written()

    page = await list_deeds(store, before=None, limit=3)
    rest = await list_deeds(store, before=page[-1].id, limit=1_000)
    await store.write(forget_deeds, HOUR)

    assert [row.deed.target for row in page] == ["111", "110", "109"]
    assert len(rest) == 109
    assert await list_deeds(store, before=None, limit=10) == []


async def test_a_client_works_straight_on_the_store(url: str, store: SqlStore) -> None:
    await store.write(announce, None, [KindInfo("fetch", Sort.ASYNC)])

    async with AsyncClient(url) as client:
        job = await client.enqueue("fetch", n=1)
        cancelled = await client.cancel(job)
        lines = [entry.message async for entry in client.follow(job)]

    assert cancelled.job.status == "cancelled"
    assert lines == ["Cancel requested", "Status changed: cancelled"]
