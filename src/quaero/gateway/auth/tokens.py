"""Tokens and the sessions browsers get for them: the scripts that keep them, and the reads that find them.

A secret never comes here, only its hash. A revoked token stays in the list, so that the audit's names lead somewhere.
"""

from collections.abc import Sequence
from typing import NamedTuple

from quaero.domain.access import Access, Key
from quaero.domain.errors import InvalidInput, NotFound
from quaero.storage.port import Ledger, Store

MAX_NAME = 100
AT_ONCE = 500


class TokenRow(NamedTuple):
    """A token as people see it; times in microseconds since the epoch, 0: never."""

    id: str
    name: str
    access: Access
    created_at: int
    expires_at: int
    revoked_at: int
    used_at: int


class Found(NamedTuple):
    """A key that is in the store and not revoked: whose it is, what it may, until when (0: for ever)."""

    digest: bytes
    token_id: str
    name: str
    access: Access
    expires_at: int


def add_token(ledger: Ledger, key: Key, name: str, access: Access, lifetime: int = 0) -> TokenRow:
    """Keep a new token; `lifetime` in microseconds, 0: it never expires."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidInput(f"a token's name must have 1 to {MAX_NAME} printable characters")
    now = ledger.now
    row = TokenRow(key.id, name, access, now, now + lifetime if lifetime else 0, 0, 0)
    ledger.run(
        "insert into token(id, digest, name, access, created_at, expires_at) values(?, ?, ?, ?, ?, ?)",
        (key.id, key.digest, name, int(access), row.created_at, row.expires_at),
    )
    return row


def revoke_token(ledger: Ledger, token_id: str) -> TokenRow:
    """End a token and its sessions; again is no error. Raises NotFound."""
    ledger.run("update token set revoked_at = ? where id = ? and revoked_at = 0", (ledger.now, token_id))
    ledger.run("delete from session where token_id = ?", (token_id,))
    rows = ledger.rows(f"select {_COLUMNS} from token where id = ?", (token_id,))
    if not rows:
        raise NotFound(f"there is no token {token_id[:40]!r}: `quaero token list` shows their ids")
    return _row(*rows[0])


def add_session(ledger: Ledger, key: Key, token_id: str, expires_at: int) -> None:
    """Keep a session of a token, and forget those that are over."""
    ledger.run("delete from session where expires_at <= ?", (ledger.now,))
    ledger.run(
        "insert into session(id, digest, token_id, created_at, expires_at) values(?, ?, ?, ?, ?)",
        (key.id, key.digest, token_id, ledger.now, expires_at),
    )


def end_session(ledger: Ledger, session_id: str) -> None:
    """Log a browser out."""
    ledger.run("delete from session where id = ?", (session_id,))


def mark_used(ledger: Ledger, token_ids: list[str]) -> None:
    """Remember that these tokens were used about now."""
    for token_id in token_ids:
        ledger.run("update token set used_at = ? where id = ?", (ledger.now, token_id))


_COLUMNS = "id, name, access, created_at, expires_at, revoked_at, used_at"


def _row(token_id: str, name: str, access: int, *times: int) -> TokenRow:
    return TokenRow(token_id, name, Access(access), *times)


async def list_tokens(store: Store) -> list[TokenRow]:
    """Every token there ever was, newest first."""
    return [_row(*row) for row in await store.rows(f"select {_COLUMNS} from token order by created_at desc, id")]


async def has_token(store: Store, now: int) -> bool:
    """Whether anybody could come in."""
    living = "select 1 from token where revoked_at = 0 and (expires_at = 0 or expires_at > ?) limit 1"
    return bool(await store.rows(living, (now,)))


_FIND = {
    "qk": "select id, digest, id, name, access, expires_at from token where revoked_at = 0 and id in",
    "qs": "select session.id, session.digest, token.id, name, access, session.expires_at from session "
    "join token on token.id = session.token_id where revoked_at = 0 and session.id in",
}


async def find_keys(store: Store, prefix: str, ids: Sequence[str]) -> dict[str, Found]:
    """The tokens or sessions of these ids, without those that are revoked. Whether a secret fits is not looked at."""
    found = {}
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        for row in await store.rows(f"{_FIND[prefix]} ({', '.join('?' * len(some))})", some):
            found[row[0]] = Found(bytes(row[1]), row[2], row[3], Access(row[4]), row[5])
    return found
