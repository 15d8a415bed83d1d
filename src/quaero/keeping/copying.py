"""From a file to PostgreSQL: every row of the embedded store, in one transaction, examined before anybody uses it.

Cursors, ids and journals stay what they are, so a viewer goes on where it was. Nothing may run on the source meanwhile.
"""

import time
from collections.abc import Callable

from quaero.clock import SystemClock
from quaero.domain.errors import Conflict, StoreUnsafe
from quaero.keeping.files import require_file
from quaero.storage.doctor import examine
from quaero.storage.migrate import migrate
from quaero.storage.postgres.connection import PostgresConnection
from quaero.storage.postgres.trouble import named, translated
from quaero.storage.sqlite import connect, database_path
from quaero.storage.sqliteconnection import SqliteConnection
from quaero.storage.sqlitetrouble import translated as translated_file


def copy(source: str, target: str, tell: Callable[[str], None]) -> int:
    """Copy a store; how many jobs it has. See `quaero.keeping.copy`."""
    path = database_path(source)
    require_file(path)
    with translated_file(path):
        read = connect(path, readonly=True)
    try:
        with translated(named(target)):
            write = PostgresConnection(target)
            try:
                return _copy(read, write, tell)
            finally:
                write.close()
    finally:
        read.handle.close()


def _copy(read: SqliteConnection, write: PostgresConnection, tell: Callable[[str], None]) -> int:
    now = SystemClock().now()
    migrate(write, "postgres")
    read.handle.execute("begin")
    _require_quiet(read, now)
    write.run("begin")
    if write.rows("select 1 from job where id > 0 limit 1"):
        raise Conflict("the target holds jobs already: name an empty database")
    tables = [row[0] for row in read.rows(_TABLES)]
    for table in tables:
        began = time.perf_counter()
        rows = _copy_table(read, write, table)
        if rows:
            tell(f"{table}: {rows:,} rows in {time.perf_counter() - began:.1f} s")
    _go_on_counting(read, write, tables)
    write.script("analyze")
    findings = examine(write, now)
    if findings:
        first = findings[0]
        raise StoreUnsafe(f"the copy is not clean, nothing was kept: {first.subject} {first.problem}")
    write.run("commit")
    ((jobs,),) = read.rows("select count(*) from job where id > 0")
    return int(jobs)


_TABLES = """
select name from sqlite_schema where type = 'table' and name not like 'document_text%' and name not like 'sqlite_%'
 and name <> 'migration' order by name"""


def _require_quiet(read: SqliteConnection, now: int) -> None:
    live = read.rows("select host, pid from worker where state <> 'gone' and lease_until > ?", (now,))
    if live:
        host, pid = live[0]
        raise Conflict(f"a worker runs on the source (process {pid} on {host}): stop it before copying")


def _copy_table(read: SqliteConnection, write: PostgresConnection, table: str) -> int:
    columns = [row[0] for row in read.rows("select name from pragma_table_info(?)", (table,))]
    names = ", ".join(columns)
    write.run(f"delete from {table}")
    rows = read.handle.execute(f"select {names} from {table}")
    copied = 0
    with write.copy_into(table, names) as put:
        for row in rows:
            put(row)
            copied += 1
    return copied


def _go_on_counting(read: SqliteConnection, write: PostgresConnection, tables: list[str]) -> None:
    """Ids that were given are not given again."""
    last = read.dialect.last_id(read)
    write.rows("select setval('job_id', ?, ?)", (max(last, 1), last > 0))
    for table in tables:
        sequence = f"pg_get_serial_sequence('{table}', 'id')"
        columns = {row[0] for row in read.rows("select name from pragma_table_info(?)", (table,))}
        if "id" in columns and write.rows(f"select 1 where {sequence} is not null"):
            write.rows(f"select setval({sequence}, (select coalesce(max(id), 0) + 1 from {table}), false)")
    write.run("delete from meta where key = 'last_id'")
