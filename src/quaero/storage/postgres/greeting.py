"""What a new connection finds out about the other end, before anything is asked of it.

Whether the server is fit for a store; whether it compares letters beyond ASCII; and whether somebody stands between. A
pooler lends us a server's session for one transaction at a time: what outlives a transaction (prepared statements,
LISTEN, settings, advisory locks of a session) is lost, or worse, met by others.
"""

import secrets
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.pq import ExecStatus

from quaero.domain.errors import StoreUnsafe

OLDEST = 150_000
# where the database's own locale knows ASCII letters only (`C`), the first of these that there is knows all
_ASK = """
select pg_backend_pid(), case when lower(chr(196)) <> chr(228) then (
  select quote_ident(collname::text) from pg_collation
  where collname in ('pg_c_utf8', 'C.utf8', 'C.UTF-8', 'und-x-icu') and collencoding in (-1, 6)
  order by collname = 'und-x-icu', collprovider limit 1) end"""


@dataclass(frozen=True, slots=True)
class Greeting:
    """`collation`: by which letters are compared without their case, '' for the database's own.

    `is_pooled`: a pooler lends sessions; `prepares`: statements may be prepared nevertheless.
    """

    collation: str
    is_pooled: bool
    prepares: bool


def greet(handle: "psycopg.Connection[Any]") -> Greeting:
    """Find out. Raises StoreUnsafe for a server that is too old or does not keep every character."""
    info = handle.info
    if info.server_version < OLDEST:
        raise StoreUnsafe(f"PostgreSQL {info.server_version // 10_000} is too old: Quaero needs 15 or newer")
    if info.parameter_status("server_encoding") != "UTF8":
        raise StoreUnsafe("the database's encoding is not UTF8: make one with `create database ... encoding 'UTF8'`")
    ((process, collation),) = handle.execute(_ASK, prepare=False).fetchall()
    is_pooled = process != info.backend_pid  # a pooler answers the start of a connection with a number of its own
    return Greeting(collation or "", is_pooled, not is_pooled or _keeps_statements(handle))


def _keeps_statements(handle: "psycopg.Connection[Any]") -> bool:
    """Whether a pooler keeps the prepared statements of its clients apart: then the server knows them by other names.

    PgBouncer does from 1.21 on, with `max_prepared_statements`.
    """
    name = f"quaero_{secrets.token_hex(8)}"
    with handle.transaction():
        prepared = handle.pgconn.prepare(name.encode(), b"select 1")
        if prepared.status != ExecStatus.COMMAND_OK:
            return False
        if not handle.execute(f"select from pg_prepared_statements where name = '{name}'".encode()).fetchall():
            return True
        handle.execute(f"deallocate {name}".encode())
        return False
